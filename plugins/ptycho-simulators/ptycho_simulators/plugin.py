"""What this distribution brings."""

from __future__ import annotations

from collections.abc import Sequence

from ptycho_host import hookimpl
from ptycho_host.components import Simulator


@hookimpl
def ptycho_simulators() -> Sequence[Simulator]:
    """The objects; the options of the measurement are common to all."""
    return [
        Simulator(
            "lines",
            summary="Random segments blurred at three scales, amplitude and phase from one image.",
            target="ptycho_simulators.lines:build",
        ),
        Simulator(
            "siemens_star",
            summary="Siemens star with chosen amplitude and phase contrast.",
            target="ptycho_simulators.siemens_star:build",
        ),
        Simulator(
            "random_field",
            summary="Gaussian random fields with a power-law spectrum, amplitude and phase independent.",
            target="ptycho_simulators.random_field:build",
        ),
        Simulator(
            "image",
            summary="A picture as amplitude and another as phase.",
            target="ptycho_simulators.image:build",
        ),
        Simulator(
            "cells",
            summary="Nearly transparent cells with membranes, nuclei and granules: weak phase, hardly any absorption.",
            target="ptycho_simulators.cells:build",
        ),
        Simulator(
            "mixture",
            summary="A mosaic of lines, random fields and flat shapes, to train a network for samples of any class.",
            target="ptycho_simulators.mixture:build",
        ),
    ]
