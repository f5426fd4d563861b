"""The first page of the reference: everything in it, with one line each."""

from __future__ import annotations

from component_pages import FOLDER as COMPONENTS
from component_pages import plural
from hook_pages import FOLDER as HOOKS
from hook_pages import hook_names
from writing import page, table

from ptycho_host import hookspecs
from ptycho_host.components import KINDS
from ptycho_host.plugins import Host


def index_page(host: Host) -> str:
    """Links to all pages."""
    hooks = [(f"[`{name}`]({HOOKS / name}.md)", _summary(getattr(hookspecs, name))) for name in hook_names()]
    kinds = [
        (f"[{plural(kind)}]({COMPONENTS / plural(kind)}.md)", ", ".join(f"`{name}`" for name in _names(kind, host)))
        for kind in KINDS
        if kind != "command"
    ]
    return page(
        "# Reference",
        "Written from the code by `make docs`; a test fails when it is stale.",
        "## Use",
        "- [Command line](cli.md)\n- [Run configuration](config.md)\n- [Environment variables](environment.md)",
        "## Components",
        table(("kind", "names"), kinds),
        "## Hooks",
        table(("hook", "brings or observes"), hooks),
        "What the factories of components take and return: [contracts](contracts.md).",
    )


def _names(kind: str, host: Host) -> list[str]:
    return list(dict.fromkeys(entry.component.name for entry in host.registrations(kind)))


def _summary(hook: object) -> str:
    return (hook.__doc__ or "").partition("\n")[0]
