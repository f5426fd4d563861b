"""The part of a patch that counts: a square window and the weights in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ptycho_host.errors import InputError

Patches = TypeVar("Patches", bound=Any)

NEGLIGIBLE = 1e-3
"""Pixels with a smaller part of the largest weight do not widen the window."""


@dataclass(frozen=True, slots=True)
class Window:
    """The smallest square around all weights that matter.

    first: first row and column of the window in a patch of `pixels`. weight: (n, n) float32, largest value 1.
    """

    first: tuple[int, int]
    weight: NDArray[np.float32]
    pixels: int

    @classmethod
    def around(cls, weight: NDArray[np.float32]) -> Window:
        """The window of weights (N, N); raises InputError when they are all zero or not finite."""
        peak = weight.max(initial=0)
        if not (np.isfinite(peak) and peak > 0):
            raise InputError("the probe is zero or not finite, so no patch has any weight: check probeGuess.")
        pixels = weight.shape[-1]
        matters = np.argwhere(weight > NEGLIGIBLE * peak)
        lowest, highest = matters.min(axis=0), matters.max(axis=0) + 1
        side = int((highest - lowest).max())
        top, left = (int(start) for start in np.minimum(lowest, pixels - side))
        return cls((top, left), weight[top : top + side, left : left + side] / peak, pixels)

    @property
    def side(self) -> int:
        """Pixels a side, n."""
        side: int = self.weight.shape[-1]
        return side

    def cut(self, patches: Patches) -> Patches:
        """Patches (B, N, N), an array or a tensor, cut to the window (B, n, n)."""
        top, left = self.first
        cut: Patches = patches[:, top : top + self.side, left : left + self.side]
        return cut

    def positions(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Centres (B, 2) of the windows of patches centred at `positions` (B, 2)."""
        return positions + (np.array(self.first) + (self.side - self.pixels) / 2)
