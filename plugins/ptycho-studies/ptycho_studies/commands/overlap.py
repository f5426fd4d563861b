"""`ptycho study overlap`."""

from __future__ import annotations

from pathlib import Path

import typer

from ptycho_studies.commands.flags import with_settings
from ptycho_studies.commands.shared import Out, Workers, carry_out
from ptycho_studies.overlap_settings import OverlapSettings


@with_settings(OverlapSettings)
def overlap(
    ctx: typer.Context, settings: OverlapSettings, out: Out = Path("studies/overlap"), workers: Workers = 1
) -> None:
    """Dense scans and sparse ones, at several doses: what each network makes of the side it was not trained on.

    Without --preset it is the whole published experiment, for a GPU; --preset quick takes minutes on two cores.
    """
    from ptycho_studies.overlap import overlap as run_study

    carry_out(run_study, ctx, settings, out, workers)
