"""Sums of weighted patches, and of their products, on the pixels of an object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ptycho_host.contracts import PatchBatch
from ptycho_host.physics.patches import add_windows, spread_patches
from ptycho_stitchers.spread import FACTORS, TERMS
from ptycho_stitchers.window import Window

BLOCK = 32
"""Patches placed at a time: few enough to stay in the processor's cache."""


class CanvasSums:
    """Sums of v = (Re w o, Im w o, w) over all patches o with weights w, and of the entries of v v^T.

    All are taken of the same interpolation, so that equal patches give exactly their value.
    """

    def __init__(self, shape: tuple[int, int], window: Window) -> None:
        self._window = window
        self._canvas = np.zeros((*shape, TERMS + len(FACTORS)), dtype=np.float32)

    def add(self, batch: PatchBatch) -> None:
        """Take patches at sub-pixel positions; what falls outside the canvas is lost."""
        patches = self._window.cut(batch.patches)
        for first in range(0, len(patches), BLOCK):
            weighted = patches[first : first + BLOCK] * self._window.weight
            positions = self._window.positions(batch.positions[first : first + BLOCK])
            values, corners = spread_patches(weighted, positions)
            weights, _ = spread_patches(np.broadcast_to(self._window.weight, weighted.shape), positions)
            terms = [values.real, values.imag, weights]
            products = [terms[one] * terms[other] for one, other in FACTORS]
            add_windows(self._canvas, np.stack([*terms, *products], axis=-1), corners)

    def planes(self) -> NDArray[np.float32]:
        """(3 + 6, H, W): the sums, then the products."""
        return np.moveaxis(self._canvas, -1, 0)
