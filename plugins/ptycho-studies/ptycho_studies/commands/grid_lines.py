"""`ptycho study grid-lines`."""

from __future__ import annotations

from pathlib import Path

import typer

from ptycho_studies.commands.flags import with_settings
from ptycho_studies.commands.shared import Out, Workers, carry_out
from ptycho_studies.grid_lines.settings import GridLines


@with_settings(GridLines)
def grid_lines(
    ctx: typer.Context, settings: GridLines, out: Out = Path("studies/grid-lines"), workers: Workers = 1
) -> None:
    """Several networks on the same lines scans, judged on objects that they have not seen.

    Without --preset it is the whole published experiment, for a GPU; --preset quick takes minutes on two cores.
    """
    from ptycho_studies.grid_lines.study import grid_lines as run_study

    carry_out(run_study, ctx, settings, out, workers)
