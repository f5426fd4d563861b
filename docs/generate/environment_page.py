"""The environment variables that the host reads."""

from __future__ import annotations

from project import PACKAGE
from sources import definitions
from writing import page, prose

ENDING = "_VARIABLE"
"""How the constants that name them are called."""
LABEL = "Environment variable:"


def environment_page() -> str:
    """The page of environment variables."""
    variables = {
        str(entry.value): entry.docstring.removeprefix(LABEL).strip()
        for path in sorted(PACKAGE.rglob("*.py"))
        for entry in definitions(path).values()
        if entry.name.endswith(ENDING)
    }
    blocks = [(f"## `{name}`", prose(text[:1].upper() + text[1:])) for name, text in sorted(variables.items())]
    return page("# Environment variables", *(part for block in blocks for part in block))
