"""What this distribution registers."""

from __future__ import annotations

from ptycho_host import hookimpl
from ptycho_host.components import Refiner


@hookimpl
def ptycho_refiners() -> list[Refiner]:
    """They take and give NumPy arrays, so they follow an engine on any back-end."""
    return [
        Refiner(
            "epie",
            summary="Extended ptychographic iterative engine: steps along the gradient, the same length everywhere.",
            target="ptycho_iterative.epie:Epie",
        ),
        Refiner(
            "rpie",
            summary="Regularised PIE: longer steps where the probe is weak.",
            target="ptycho_iterative.rpie:Rpie",
        ),
        Refiner(
            "lsq_ml",
            summary="Least-squares maximum likelihood: the length of each step from a least-squares fit.",
            target="ptycho_iterative.lsq_ml:LsqMl",
        ),
        Refiner(
            "ptychi",
            summary="LSQ-ML of pty-chi, which must be installed beside it.",
            target="ptycho_iterative.pty_chi:build",
        ),
    ]
