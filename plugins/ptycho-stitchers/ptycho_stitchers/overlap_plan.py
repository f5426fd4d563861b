"""Which patches are compared with which, and how far they lie apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptycho_host.physics.patches import TAPS, corners_and_fractions
from ptycho_stitchers.window import Window


@dataclass(frozen=True, slots=True)
class OverlapPlan:
    """Comparisons of M patches, interpolated to whole pixels, within a window.

    pairs: (P, 2) int, patches k < l, sorted by l. shifts: (P, 2) int, how many pixels (y, x) the first pixel of l lies
    behind that of k. fractions: (M, 2), sub-pixel part of each patch's position.
    """

    window: Window
    pairs: NDArray[np.int64]
    shifts: NDArray[np.int64]
    fractions: NDArray[np.float64]

    @classmethod
    def of(cls, window: Window, positions: NDArray[np.float64], pairs: NDArray[np.int64]) -> OverlapPlan:
        """Those of `pairs` of patches centred at `positions` (M, 2) that have pixels in common."""
        corners, fractions = corners_and_fractions(window.positions(positions), window.side)
        shifts = corners[pairs[:, 1]] - corners[pairs[:, 0]]
        meet = np.all(np.abs(shifts) < window.side + TAPS - 1, axis=1)
        return cls(window, pairs[meet], shifts[meet], fractions)

    @property
    def side(self) -> int:
        """Pixels a side of an interpolated patch, whose first pixel lies one before that of the window."""
        return self.window.side + TAPS - 1

    @property
    def memory(self) -> int:
        """How many patches before a patch it may be compared with."""
        return int(np.max(self.pairs[:, 1] - self.pairs[:, 0], initial=0))

    def of_later(self, patches: slice) -> slice:
        """The pairs whose later patch is among some."""
        first, last = np.searchsorted(self.pairs[:, 1], [patches.start, patches.stop])
        return slice(int(first), int(last))


@dataclass(frozen=True, slots=True)
class Overlaps:
    """What was found of all pairs and patches, the patches o weighted by w.

    values: (P,) complex128, sum over object pixels of (w o_k)* (w o_l). norms: (M,) float64, sum |w o|^2. sums: (M,)
    complex128, sum w o.
    """

    values: NDArray[np.complex128]
    norms: NDArray[np.float64]
    sums: NDArray[np.complex128]
