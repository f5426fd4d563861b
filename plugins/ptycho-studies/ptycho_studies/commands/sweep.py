"""`ptycho study sweep`."""

from __future__ import annotations

from pathlib import Path

import typer

from ptycho_studies.commands.flags import with_settings
from ptycho_studies.commands.shared import Out, Workers, carry_out
from ptycho_studies.sweep_settings import SweepSettings


@with_settings(SweepSettings)
def sweep(ctx: typer.Context, settings: SweepSettings, out: Out = Path("studies/sweep"), workers: Workers = 1) -> None:
    """Vary any options from a TOML file, all combinations or some at random: a table, and a figure.

    Without --config it is the published sweep, for a GPU; --preset quick takes minutes on two cores.
    """
    from ptycho_studies.sweep import sweep as run_study

    carry_out(run_study, ctx, settings, out, workers)
