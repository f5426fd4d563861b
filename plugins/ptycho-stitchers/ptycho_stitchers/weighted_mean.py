"""Stitchers that average the patches as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ptycho_host.contracts import Canvas, PatchBatch, Reconstruction
from ptycho_host.processes import Total
from ptycho_stitchers.weighted_canvas import WeightedCanvas
from ptycho_stitchers.window import Window

Weighting = Callable[[NDArray[np.complex64]], NDArray[np.float32]]


class WeightedMeanStitcher:
    """Averages patches with weights (N, N) that `weighting` makes of the probe."""

    def __init__(self, weighting: Weighting) -> None:
        self._weighting = weighting

    def begin(self, canvas: Canvas, probe: NDArray[np.complex64]) -> None:
        """Empty the canvas."""
        self._canvas = WeightedCanvas(canvas.shape, Window.around(self._weighting(probe)))
        self._total: Total | None = None

    def share(self, stretch: slice, total: Total) -> slice:
        """The patches of `stretch` alone."""
        self._total = total
        return stretch

    def add(self, batch: PatchBatch) -> None:
        """Take patches, in any order."""
        self._canvas.add(batch)

    def another_pass(self) -> bool:
        """Never."""
        return False

    def finish(self) -> Reconstruction:
        """The mean of the patches on each pixel."""
        return self._canvas.reconstruction(total=self._total)


def build_overlap(
    *,
    crop: Annotated[
        float, Field(gt=0, le=1, description="Side of the central square that is used, as a part of the patch's.")
    ] = 0.5,
) -> WeightedMeanStitcher:
    """Plain mean of the central squares: the position-based stitcher of PtychoPINN, whatever the probe."""

    def central_square(probe: NDArray[np.complex64]) -> NDArray[np.float32]:
        pixels = probe.shape[-1]
        side = max(1, round(crop * pixels))
        first = (pixels - side) // 2
        weight = np.zeros((pixels, pixels), dtype=np.float32)
        weight[first : first + side, first : first + side] = 1
        return weight

    return WeightedMeanStitcher(central_square)


def build_probe_weighted() -> WeightedMeanStitcher:
    """Mean with weights |P|^2: a patch counts where its pattern knows something about it."""
    return WeightedMeanStitcher(probe_intensity)


def probe_intensity(probe: NDArray[np.complex64]) -> NDArray[np.float32]:
    """|P|^2 (N, N) float32, scaled to the maximum 1 (0 for a dark probe) so that no dose overflows."""
    modulus = np.abs(probe)
    peak = modulus.max(initial=0)
    intensity: NDArray[np.float32] = np.square(modulus / peak if peak > 0 else modulus, dtype=np.float32)
    return intensity
