"""The weighted mean of overlapping patches, taken on the fly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ptycho_host.contracts import PatchBatch, Reconstruction
from ptycho_host.physics.patches import place_patches
from ptycho_host.processes import Total
from ptycho_stitchers.window import Window

BLOCK = 32
"""Patches placed at a time: few enough to stay in the processor's cache."""
LEAST_COVERAGE = 5e-3
"""Where the summed weight is a smaller part of its maximum the object is left zero."""


class WeightedCanvas:
    """Sums w o and w of all patches o with weights w on the object's pixels; their quotient is the object.

    Both sums are taken with the same interpolation, so that equal patches give exactly their value.
    """

    def __init__(self, shape: tuple[int, int], window: Window) -> None:
        self._window = window
        self._weighted = np.zeros(shape, dtype=np.complex64)
        self._weight = np.zeros(shape, dtype=np.float32)

    def add(self, batch: PatchBatch) -> None:
        """Take patches at sub-pixel positions; what falls outside the canvas is lost."""
        for first in range(0, len(batch.patches), BLOCK):
            patches = self._window.weighted(batch.patches[first : first + BLOCK])
            positions = self._window.positions(batch.positions[first : first + BLOCK])
            place_patches(self._weighted, patches, positions)
            place_patches(self._weight, np.broadcast_to(self._window.weight, patches.shape), positions)

    def gather(self, total: Total) -> None:
        """Take in what other processes have added up."""
        self._weighted, self._weight = total(self._weighted), total(self._weight)

    def reconstruction(self, notes: tuple[str, ...] = ()) -> Reconstruction:
        """The object so far and its coverage."""
        peak = self._weight.max(initial=0)
        # Cubic interpolation undershoots beside the edge of a weight, so a sum may even be negative there.
        covered = self._weight > LEAST_COVERAGE * peak
        obj = np.divide(self._weighted, self._weight, out=np.zeros_like(self._weighted), where=covered)
        coverage: NDArray[np.float32] = np.where(covered, self._weight, 0) / max(peak, np.finfo(np.float32).tiny)
        return Reconstruction(obj, coverage, notes)
