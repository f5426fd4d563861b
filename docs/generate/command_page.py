"""The command line: every command of our distributions with its arguments and options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command
from writing import code, page, prose, table

from ptycho_host.cli.app import app
from ptycho_host.cli.commands import typer_command
from ptycho_host.errors import InputError, PtychoError
from ptycho_host.plugins import Host

PROGRAM = "ptycho"
HELP = "help"
"""The option that every command has."""


def command_page(host: Host) -> str:
    """The page of `ptycho` and all of its commands."""
    root: Any = get_command(app)
    context = root.context_class(root, info_name=PROGRAM, obj=None)
    commands = {name: typer_command(host.find("command", name)) for name in root.list_commands(context)}
    return page(
        "# Command line",
        f"Exit codes: 0 done; {PtychoError.exit_code} it began and failed, the message says why; "
        f"{InputError.exit_code} something given cannot be used, and nothing was written. Every command has `--help`.",
        *_command(root, context),
        *(
            block
            for name, command in commands.items()
            for block in _command(command, command.context_class(command, info_name=name, parent=context))
        ),
    )


def _command(command: Any, context: Any) -> Iterator[str]:
    """Usage, help and options; then the same of each subcommand."""
    yield f"## {context.command_path}"
    yield prose(command.help or "")
    yield code(" ".join([context.command_path, *command.collect_usage_pieces(context)]), "text")
    for title, records in _groups(command, context).items():
        yield table((title, ""), [(f"`{option}`", text) for option, text in records])
    for name, subcommand in getattr(command, "commands", {}).items():
        yield from _command(subcommand, subcommand.context_class(subcommand, info_name=name, parent=context))


def _groups(command: Any, context: Any) -> dict[str, list[tuple[str, str]]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and parameter.name != HELP:
            panel = getattr(parameter, "rich_help_panel", None)
            default = "Arguments" if parameter.param_type_name == "argument" else "Options"
            groups.setdefault(panel or default, []).append(record)
    return groups
