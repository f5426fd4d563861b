"""`ptycho study`: one subcommand a study."""

from __future__ import annotations

import typer

from ptycho_host.cli.grouped_help import GroupedCommand
from ptycho_studies.commands.dose import dose
from ptycho_studies.commands.grid_lines import grid_lines
from ptycho_studies.commands.overlap import overlap
from ptycho_studies.commands.shootout import shootout
from ptycho_studies.commands.sweep import sweep

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Whole experiments: many trainings, one table, figures. Started again, a study goes on where it was.",
)
app.command("grid-lines", cls=GroupedCommand)(grid_lines)
app.command("shootout", cls=GroupedCommand)(shootout)
app.command("sweep", cls=GroupedCommand)(sweep)
app.command("dose", cls=GroupedCommand)(dose)
app.command("overlap", cls=GroupedCommand)(overlap)


@app.callback()
def _root() -> None:
    # A group even while there is only one study.
    pass
