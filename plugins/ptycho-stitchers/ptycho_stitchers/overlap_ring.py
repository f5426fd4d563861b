"""Inner products of neighbouring patches in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ptycho_host.contracts import PatchBatch
from ptycho_host.physics.patches import BEFORE, place_patches
from ptycho_stitchers.overlap_plan import OverlapPlan, Overlaps

BLOCK = 32
"""Patches compared at a time."""


class OverlapRing:
    """Compares each patch with those before it that the plan names.

    A patch is interpolated to the object's pixels once and kept in a ring buffer while later patches may still be
    compared with it, about one row of a raster times the reach in rows. In the buffer, rows of zeros part the patches
    and columns of zeros part the rows, so that a shift of one patch against another is an offset in memory, and an
    overlap is one dot product of two contiguous stretches.
    """

    def __init__(self, plan: OverlapPlan) -> None:
        self._plan = plan
        self._found = Overlaps(
            np.zeros(len(plan.pairs), dtype=np.complex128),
            np.zeros(len(plan.fractions)),
            np.zeros(len(plan.fractions), dtype=np.complex128),
        )
        self._capacity = BLOCK + plan.memory
        self._pitch = plan.side + int(np.abs(plan.shifts[:, 1]).max(initial=0))
        self._ring = np.zeros((self._capacity * (plan.side + 1) + 1, self._pitch), dtype=np.complex64)

    def add(self, batch: PatchBatch, first: int) -> None:
        """Compare the next patches, counted from `first`, with all their neighbours that came before."""
        window = self._plan.window
        patches = window.cut(batch.patches)
        for start in range(0, len(patches), BLOCK):
            block = patches[start : start + BLOCK] * window.weight
            indices = np.arange(first + start, first + start + len(block))
            self._keep(block, indices)
            self._compare(indices)

    def found(self) -> Overlaps:
        """All so far; zero for what has not come."""
        return self._found

    def _keep(self, weighted: NDArray[np.complex64], indices: NDArray[np.int64]) -> None:
        """Interpolate the block into the ring; note each patch's sum and squared norm."""
        side = self._plan.side
        self._found.sums[indices] = weighted.sum(axis=(1, 2), dtype=np.complex128)
        tops = self._top(indices)
        for top in tops.tolist():
            self._ring[top : top + side] = 0
        origins = np.stack([tops, np.zeros_like(tops)], axis=1) + BEFORE
        place_patches(self._ring, weighted, origins + self._plan.fractions[indices] + weighted.shape[-1] / 2)
        for index, top in zip(indices.tolist(), tops.tolist(), strict=True):
            kept = self._ring[top : top + side]
            self._found.norms[index] = np.vdot(kept, kept).real

    def _compare(self, indices: NDArray[np.int64]) -> None:
        pairs = self._plan.of_later(slice(int(indices[0]), int(indices[-1]) + 1))
        earlier, later = self._top(self._plan.pairs[pairs]).T
        down, right = self._plan.shifts[pairs].T
        rows = self._plan.side - np.abs(down)
        starts = (earlier + np.maximum(down, 0)) * self._pitch
        other_starts = (later + np.maximum(-down, 0)) * self._pitch - right
        ring = self._ring.reshape(-1)
        self._found.values[pairs] = [
            np.vdot(ring[start : start + length], ring[other : other + length])
            for start, other, length in zip(
                starts.tolist(), other_starts.tolist(), (rows * self._pitch).tolist(), strict=True
            )
        ]

    def _top(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """First row of the patches in the ring, below a row of zeros."""
        return indices % self._capacity * (self._plan.side + 1) + 1
