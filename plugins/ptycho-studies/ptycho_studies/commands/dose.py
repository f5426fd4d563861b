"""`ptycho study dose`."""

from __future__ import annotations

from pathlib import Path

import typer

from ptycho_studies.commands.flags import with_settings
from ptycho_studies.commands.shared import Out, Workers, carry_out
from ptycho_studies.dose_settings import DoseSettings


@with_settings(DoseSettings)
def dose(ctx: typer.Context, settings: DoseSettings, out: Out = Path("studies/dose"), workers: Workers = 1) -> None:
    """Few photons and many, one loss and the other: what each makes of a scan that training has not seen.

    Without --preset it is the whole published experiment, for a GPU; --preset quick takes minutes on two cores.
    """
    from ptycho_studies.dose import dose as run_study

    carry_out(run_study, ctx, settings, out, workers)
