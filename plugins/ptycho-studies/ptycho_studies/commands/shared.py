"""What the commands of all studies have in common: where they write, how many work, how they run and end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ptycho_studies.settings import StudySettings

if TYPE_CHECKING:
    from ptycho_studies.results import StudyResult

Out = Annotated[Path, typer.Option(help="Folder to write; a study that is there goes on.", metavar="DIR")]
Workers = Annotated[
    int, typer.Option(min=1, help="Trainings at the same time, one thread each if several.", metavar="INT")
]


def carry_out(
    study: Callable[..., StudyResult], ctx: typer.Context, settings: StudySettings, out: Path, workers: int
) -> None:
    """Run the study with a progress bar, then print its table, what a reader must know, and where everything is."""
    from ptycho_host.cli.console import check_writable, host_of, run_progress

    check_writable(out)
    with run_progress() as progress:
        result = study(settings, out, workers=workers, host=host_of(ctx), progress=progress)
    _report(result)


def _report(result: StudyResult) -> None:
    from ptycho_host.cli.console import console
    from ptycho_studies.tables import rich_table

    terminal = console()
    terminal.print(rich_table(result.rows))
    for note in (*result.notes, *(f"{label} failed: {why}" for label, why in result.failures.items())):
        terminal.print(note, soft_wrap=True)
    for path in result.files:
        terminal.print(str(path), soft_wrap=True)
