"""Inner products of neighbouring patches over their common part, computed while the patches stream by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.physics.patches import BEFORE, TAPS, corners_and_fractions, place_patches
from ptycho_host.processes import Total
from ptycho_stitchers.window import Window

BLOCK = 32
"""Patches compared at a time."""


class OverlapAccumulator:
    """V_kl = sum over object pixels of (w o_k)* (w o_l) for pairs k < l, with the patches o weighted by w.

    A patch is interpolated to the object's pixels once and kept in a ring buffer while later patches may still be
    compared with it: `max(l - k)` of them, about one row of a raster times the reach in rows. In the buffer, rows of
    zeros part the patches and columns of zeros part the rows, so that a shift of one patch against another is an
    offset in memory, and an overlap is one dot product of two contiguous stretches.
    """

    def __init__(self, window: Window, positions: NDArray[np.float64], pairs: NDArray[np.int64]) -> None:
        corners, self._fractions = corners_and_fractions(window.positions(positions), window.side)
        side = window.side + TAPS - 1
        shifts = corners[pairs[:, 1]] - corners[pairs[:, 0]]
        meet = np.all(np.abs(shifts) < side, axis=1)
        self.pairs = pairs[meet]
        self._shifts = shifts[meet]
        self.values = np.zeros(len(self.pairs), dtype=np.complex128)
        self.norms = np.zeros(len(positions))
        self.sums = np.zeros(len(positions), dtype=np.complex128)

        self._window, self._side = window, side
        self._capacity = BLOCK + int(np.max(self.pairs[:, 1] - self.pairs[:, 0], initial=0))
        self._pitch = side + int(np.abs(self._shifts[:, 1]).max(initial=0))
        self._ring = np.zeros((self._capacity * (side + 1) + 1, self._pitch), dtype=np.complex64)
        self._arrived = 0

    def reach(self, stretch: slice) -> slice:
        """The patches that must come so that those of `stretch` are compared with all that came before them."""
        first, last = np.searchsorted(self.pairs[:, 1], [stretch.start, stretch.stop])
        return slice(int(self.pairs[first:last, 0].min(initial=stretch.start)), stretch.stop)

    def start_at(self, index: int) -> None:
        """The patches before `index` will not come."""
        self._arrived = index

    def gather(self, stretch: slice, total: Total) -> None:
        """Take in what other processes have found; this one stands for the patches of `stretch`."""
        first, last = np.searchsorted(self.pairs[:, 1], [stretch.start, stretch.stop])
        self.values = total(_only(self.values, slice(first, last)))
        self.norms, self.sums = total(_only(self.norms, stretch)), total(_only(self.sums, stretch))

    def add(self, patches: NDArray[np.complex64]) -> None:
        """Compare the next patches (B, N, N) with all their neighbours that came before."""
        for first in range(0, len(patches), BLOCK):
            block = self._window.weighted(patches[first : first + BLOCK])
            indices = np.arange(self._arrived, self._arrived + len(block))
            self._keep(block, indices)
            self._compare(indices)
            self._arrived += len(block)

    def _keep(self, weighted: NDArray[np.complex64], indices: NDArray[np.int64]) -> None:
        """Interpolate the block into the ring; note each patch's sum and squared norm."""
        self.sums[indices] = weighted.sum(axis=(1, 2), dtype=np.complex128)
        tops = self._top(indices)
        for top in tops.tolist():
            self._ring[top : top + self._side] = 0
        origins = np.stack([tops, np.zeros_like(tops)], axis=1) + BEFORE
        place_patches(self._ring, weighted, origins + self._fractions[indices] + self._window.side / 2)
        for index, top in zip(indices.tolist(), tops.tolist(), strict=True):
            kept = self._ring[top : top + self._side]
            self.norms[index] = np.vdot(kept, kept).real

    def _compare(self, indices: NDArray[np.int64]) -> None:
        first, last = np.searchsorted(self.pairs[:, 1], [indices[0], indices[-1] + 1])
        earlier, later = self._top(self.pairs[first:last]).T
        down, right = self._shifts[first:last].T
        rows = self._side - np.abs(down)
        starts = (earlier + np.maximum(down, 0)) * self._pitch
        other_starts = (later + np.maximum(-down, 0)) * self._pitch - right
        ring = self._ring.reshape(-1)
        self.values[first:last] = [
            np.vdot(ring[start : start + length], ring[other : other + length])
            for start, other, length in zip(
                starts.tolist(), other_starts.tolist(), (rows * self._pitch).tolist(), strict=True
            )
        ]

    def _top(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """First row of the patches in the ring, below a row of zeros."""
        return indices % self._capacity * (self._side + 1) + 1


def _only(values: NDArray[Any], part: slice) -> NDArray[Any]:
    """A copy that is zero outside of `part`."""
    kept = np.zeros_like(values)
    kept[part] = values[part]
    return kept
