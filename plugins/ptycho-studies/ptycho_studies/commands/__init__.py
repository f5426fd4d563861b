"""`ptycho study`: one subcommand a study."""

from __future__ import annotations

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Whole experiments: many trainings, one table, figures. Started again, a study goes on where it was.",
)


@app.callback()
def _root() -> None:
    pass
