"""What this distribution registers."""

from __future__ import annotations

from ptycho_host import hookimpl
from ptycho_host.components import Command


@hookimpl
def ptycho_commands() -> list[Command]:
    """One command with a subcommand a study."""
    return [
        Command(
            "study",
            summary="Whole experiments: many trainings, one table, figures.",
            target="ptycho_studies.commands:app",
        )
    ]
