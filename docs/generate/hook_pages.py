"""A page for each hook: signature, what is handed over, what is expected, and a whole plugin that uses it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from component_pages import FOLDER as KIND_PAGES
from component_pages import plural
from project import PACKAGE, ROOT
from sources import Definition, definitions
from writing import code, page, prose

from ptycho_host import hookspecs
from ptycho_host.components import KINDS
from ptycho_host.plugins import PLURALS, Host
from ptycho_host.scaffold.blueprints import BLUEPRINTS, Blueprint, blueprint_for
from ptycho_host.scaffold.names import Names
from ptycho_host.scaffold.rendering import render

FOLDER = Path("hooks")
DOCSTRING = '"""'
HOOKS, COMPONENTS = PACKAGE / "hookspecs.py", PACKAGE / "components.py"
CONTRACTS, RECORDS = PACKAGE / "contracts.py", PACKAGE / "records.py"

FACTORY = """`target` names it. Its keyword-only parameters, with type, bounds, description and default, are the options
of the component; the host checks them before it calls."""
SHORTEST = """
from ptycho_host import hookimpl


@hookimpl
def {name}(record):
    print(record)
"""
FUNCTION = "`target` names it: a function whose parameters are the command's arguments and options, or a `typer.Typer`."


def hook_names() -> list[str]:
    """All hooks, in the order of `hookspecs.py`."""
    return [name for name in definitions(HOOKS) if name.startswith(f"{hookspecs.PROJECT}_")]


def hook_pages(host: Host) -> dict[Path, str]:
    """The page of each hook."""
    kinds = {hook: kind for kind, hook in PLURALS.items()}
    return {
        FOLDER / f"{name}.md": _component_hook(name, kinds[name], host) if name in kinds else _observer_hook(name)
        for name in hook_names()
    }


def _component_hook(name: str, kind: str, host: Host) -> str:
    descriptors = definitions(COMPONENTS)
    known = "../cli.md" if kind == "command" else f"../{KIND_PAGES / plural(kind)}.md"
    return page(
        *_head(name),
        "The host calls it once at start-up, so the plugin's module must import nothing heavy. The list may be empty.",
        "## The descriptor",
        f"From [`ptycho_host.components`](../../../ptycho_host/components.py). Those of this project: "
        f"[{plural(kind)}]({known}).",
        code(_fields(descriptors["Component"])),
        code(descriptors[KINDS[kind].__name__].source),
        "## The factory",
        FUNCTION if kind == "command" else FACTORY,
        *_contract(kind),
        "## A whole plugin",
        *_example(kind, host),
    )


def _observer_hook(name: str) -> str:
    records, signature = definitions(RECORDS), _signature(definitions(HOOKS)[name].source)
    (record,) = [record for record in records.values() if f"records.{record.name}" in signature]
    return page(
        *_head(name),
        "An observer may leave out the argument. If it fails, the run goes on: the user is warned once, with its name.",
        "## The record",
        "Immutable, from [`ptycho_host.records`](../../../ptycho_host/records.py).",
        code(record.source),
        *(code(records[other].source) for other in sorted(record.mentioned & records.keys())),
        "## In its shortest form",
        code(SHORTEST.format(name=name)),
        "## A whole plugin",
        *_written_by_new(blueprint_for("observer", None)),
    )


def _head(name: str) -> list[str]:
    hook = definitions(HOOKS)[name]
    return [f"# `{name}`", prose(hook.docstring), code(_signature(hook.source))]


def _signature(source: str) -> str:
    """A function without decorator, docstring and body."""
    return f"{source[source.index('def ') : source.index(DOCSTRING)].rstrip()} ..."


def _fields(definition: Definition) -> str:
    """A class without its methods."""
    return re.split(r"\n\n    def ", definition.source)[0]


def _contract(kind: str) -> list[str]:
    """What `ptycho_host.contracts` says about the kind's factory, and what that needs."""
    contracts = definitions(CONTRACTS)
    about = [entry for entry in contracts.values() if re.search(rf"\ban? {kind} factory\b", entry.docstring, re.I)]
    if not about:
        return []
    mentioned = {name for entry in about for name in entry.mentioned}
    needed = [entry for entry in contracts.values() if entry.name in mentioned and entry not in about]
    return [
        "From [`ptycho_host.contracts`](../../../ptycho_host/contracts.py); [all contracts](../contracts.md).",
        code("\n\n\n".join(entry.source for entry in about)),
        *([code("\n\n\n".join(entry.source for entry in needed))] if needed else []),
    ]


def _example(kind: str, host: Host) -> list[str]:
    if any(blueprint.kind == kind for blueprint in BLUEPRINTS):
        return _written_by_new(blueprint_for(kind, None))
    registration = host.registrations(kind)[0]
    (plugin,) = [plugin for plugin in host.plugins if registration in plugin.registrations]
    hook, factory = getattr(plugin.content, PLURALS[kind]), registration.load()
    return [
        f"That of {registration.distribution}: {_link(hook)} and {_link(factory)}.",
        code(f"{inspect.getsource(hook)}\n\n{inspect.getsource(factory)}"),
    ]


def _link(function: object) -> str:
    path = Path(inspect.getfile(function)).relative_to(ROOT)  # type: ignore[arg-type]
    return f"[`{path.name}`](../../../{path.as_posix()})"


def _written_by_new(blueprint: Blueprint) -> list[str]:
    """The package that `ptycho new` writes."""
    names = Names.of("mine", kind=blueprint.kind)
    files = {str(path): text for path, text in render(blueprint, names).files.items()}
    modules = [path for path in files if re.fullmatch(rf"{names.package}/(?!__init__)\w+\.py", path)]
    # The plugin module first: that is where the host begins to read.
    modules.sort(key=lambda path: (not path.endswith("/plugin.py"), path))
    blocks = [f"`{path}`\n\n{code(files[path])}" for path in modules]
    return [
        f"Written by `ptycho new {blueprint.kind} {names.distribution}`, with a test and all that `pip install` needs.",
        *blocks,
        f"Its `pyproject.toml` makes it known to the host:\n\n{code(_entry_point(files['pyproject.toml']), 'toml')}",
    ]


def _entry_point(toml: str) -> str:
    (found,) = re.findall(rf"\[project\.entry-points\.{hookspecs.PROJECT}\]\n.*\n", toml)
    return str(found)
