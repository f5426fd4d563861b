"""The weighted mean of overlapping patches and their spread about it, taken on the fly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ptycho_host.contracts import PatchBatch, Reconstruction
from ptycho_host.physics.patches import add_windows, spread_patches
from ptycho_host.processes import Total
from ptycho_stitchers.spread import PRODUCTS, patch_spread, products_of
from ptycho_stitchers.window import Window

BLOCK = 32
"""Patches placed at a time: few enough to stay in the processor's cache."""
LEAST_COVERAGE = 5e-3
"""Where the summed weight is a smaller part of its maximum the object is left zero."""


class WeightedCanvas:
    """Sums v = (Re w o, Im w o, w) of all patches o with weights w on the object's pixels, and their products v v^T.

    The quotient of the first is the object, the second tell how far the patches lie apart. All are taken of the same
    interpolation, so that equal patches give exactly their value.
    """

    def __init__(self, shape: tuple[int, int], window: Window) -> None:
        self._window = window
        self._sums = np.zeros((*shape, 3), dtype=np.float32)
        self._products = np.zeros((*shape, PRODUCTS), dtype=np.float32)

    def add(self, batch: PatchBatch) -> None:
        """Take patches at sub-pixel positions; what falls outside the canvas is lost."""
        for first in range(0, len(batch.patches), BLOCK):
            weighted = self._window.weighted(batch.patches[first : first + BLOCK])
            positions = self._window.positions(batch.positions[first : first + BLOCK])
            values, corners = spread_patches(weighted, positions)
            weights, _ = spread_patches(np.broadcast_to(self._window.weight, weighted.shape), positions)
            terms = np.stack([values.real, values.imag, weights], axis=-1)
            add_windows(self._sums, terms, corners)
            add_windows(self._products, products_of(terms), corners)

    def gather(self, total: Total) -> None:
        """Take in what other processes have added up."""
        self._sums, self._products = total(self._sums), total(self._products)

    def reconstruction(self, notes: tuple[str, ...] = ()) -> Reconstruction:
        """The object so far, its coverage, and the spread of the patches."""
        weight = self._sums[..., 2]
        peak = weight.max(initial=0)
        # Cubic interpolation undershoots beside the edge of a weight, so a sum may even be negative there.
        covered = weight > LEAST_COVERAGE * peak
        obj = np.zeros(weight.shape, dtype=np.complex64)
        for part, summed in ((obj.real, self._sums[..., 0]), (obj.imag, self._sums[..., 1])):
            np.divide(summed, weight, out=part, where=covered)
        coverage: NDArray[np.float32] = np.where(covered, weight, 0) / max(peak, np.finfo(np.float32).tiny)
        spread = patch_spread(obj, np.where(covered, weight, 0), self._products)
        return Reconstruction(obj, coverage, notes, spread=spread)
