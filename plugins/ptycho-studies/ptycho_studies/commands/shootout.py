"""`ptycho study shootout`."""

from __future__ import annotations

from pathlib import Path

import typer

from ptycho_studies.commands.flags import with_settings
from ptycho_studies.commands.shared import Out, Workers, carry_out
from ptycho_studies.shootout.settings import Shootout


@with_settings(Shootout)
def shootout(ctx: typer.Context, settings: Shootout, out: Out = Path("studies/shootout"), workers: Workers = 1) -> None:
    """Hybrid and stable_hybrid with what shall keep them from collapsing, over depths and seeds.

    Without --preset it is the whole published experiment, for a GPU; --preset quick takes minutes on two cores.
    """
    from ptycho_studies.shootout.study import shootout as run_study

    carry_out(run_study, ctx, settings, out, workers)
