"""Everything that components exchange with the host, as it stands in the code."""

from __future__ import annotations

import ast

from project import PACKAGE
from sources import definitions
from writing import code, page, prose

MODULES = ("contracts.py", "processes.py", "data/scan.py", "physics/intensity.py", "records.py")


def contract_page() -> str:
    """The page of contracts."""
    blocks = ["# Contracts"]
    for module in MODULES:
        path = PACKAGE / module
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        name = f"ptycho_host.{module.removesuffix('.py').replace('/', '.')}"
        blocks += [f"## [`{name}`](../../ptycho_host/{module})", prose(docstring)]
        for entry in definitions(path).values():
            if entry.name[0].isupper():
                blocks += [f"### `{entry.name}`", code(entry.source)]
    return page(*blocks)
