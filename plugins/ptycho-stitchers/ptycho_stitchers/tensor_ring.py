"""What `ptycho_stitchers.overlap_ring` does, for patches that a Torch engine left on its device."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_host.contracts import DeviceBatch
from ptycho_stitchers.overlap_plan import OverlapPlan, Overlaps
from ptycho_stitchers.tensor_taps import on_whole_pixels

BLOCK = 256
"""Patches compared at a time."""
AT_ONCE = 2**24
"""Pixels of overlaps that are gathered at a time."""


class TensorRing:
    """As `OverlapRing`. What it finds stays on the device to the end, so that nothing waits for it on the way."""

    def __init__(self, plan: OverlapPlan, device: torch.device) -> None:
        self._plan = plan
        self._device = device
        self._weight = torch.from_numpy(plan.window.weight).to(device)
        self._pairs, self._shifts = self._there(plan.pairs), self._there(plan.shifts)
        self._values = torch.zeros(len(plan.pairs), dtype=torch.complex64, device=device)
        self._norms = torch.zeros(len(plan.fractions), device=device)
        self._sums = torch.zeros(len(plan.fractions), dtype=torch.complex64, device=device)
        self._capacity = BLOCK + plan.memory
        # One more patch, of zeros, is what lies beside all others.
        self._ring = torch.zeros(self._capacity + 1, plan.side, plan.side, dtype=torch.complex64, device=device)

    def add(self, batch: DeviceBatch, first: int) -> None:
        """Compare the next patches, counted from `first`, with all their neighbours that came before."""
        patches = self._plan.window.cut(batch.tensor)
        for start in range(0, len(patches), BLOCK):
            block = patches[start : start + BLOCK] * self._weight
            members = slice(first + start, first + start + len(block))
            kept = self._interpolated(block, members)
            self._sums[members] = block.sum(dim=(1, 2))
            self._norms[members] = torch.linalg.vector_norm(kept, dim=(1, 2)).square()
            self._ring[torch.arange(members.start, members.stop, device=self._device) % self._capacity] = kept
            self._compare(self._plan.of_later(members))

    def found(self) -> Overlaps:
        """All so far; zero for what has not come."""
        values, norms, sums = (found.cpu().numpy() for found in (self._values, self._norms, self._sums))
        return Overlaps(values.astype(np.complex128), norms.astype(np.float64), sums.astype(np.complex128))

    def _interpolated(self, block: Tensor, members: slice) -> Tensor:
        parts = torch.stack([block.real, block.imag], dim=1)
        real, imaginary = on_whole_pixels(parts, self._plan.fractions[members]).unbind(1)
        return torch.complex(real, imaginary)

    def _compare(self, pairs: slice) -> None:
        side = self._plan.side
        pixels = torch.arange(side, device=self._device)
        size = max(1, AT_ONCE // side**2)
        for start in range(pairs.start, pairs.stop, size):
            some = slice(start, min(start + size, pairs.stop))
            earlier, later = (self._pairs[some] % self._capacity).unbind(1)
            down, right = (pixels + shift[:, None] for shift in self._shifts[some].unbind(1))
            inside = _within(down, side)[:, :, None] & _within(right, side)[:, None]
            there = (earlier[:, None, None] * side + down[:, :, None]) * side + right[:, None]
            of_earlier = self._ring.view(-1)[torch.where(inside, there, self._ring.numel() - 1)]
            self._values[some] = torch.linalg.vecdot(of_earlier.flatten(1), self._ring[later].flatten(1))

    def _there(self, array: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def _within(pixels: Tensor, side: int) -> Tensor:
    return (pixels >= 0) & (pixels < side)
