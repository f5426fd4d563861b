"""What `ptycho_stitchers.canvas_sums` does, for patches that a Torch engine left on its device."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_host.contracts import DeviceBatch
from ptycho_host.physics.patches import BEFORE, TAPS, corners_and_fractions
from ptycho_stitchers.spread import FACTORS, TERMS
from ptycho_stitchers.tensor_taps import on_whole_pixels
from ptycho_stitchers.window import Window


class TensorSums:
    """As `CanvasSums`, the same numbers to rounding; the order of the sums is the device's."""

    def __init__(self, shape: tuple[int, int], window: Window, device: torch.device) -> None:
        self._shape = shape
        self._window = window
        self._weight = torch.from_numpy(window.weight).to(device)
        # A border as wide as a window takes what falls outside the canvas.
        self._border = window.side + TAPS
        self._width = shape[1] + 2 * self._border
        self._canvas = torch.zeros((shape[0] + 2 * self._border) * self._width, TERMS + len(FACTORS), device=device)

    def add(self, batch: DeviceBatch) -> None:
        """Take patches at sub-pixel positions; what falls outside the canvas is lost."""
        corners, fractions = corners_and_fractions(self._window.positions(batch.positions), self._window.side)
        near = np.all((corners >= BEFORE - self._border) & (corners <= self._shape), axis=1)
        weighted = self._window.cut(batch.tensor)[_indices(near, batch.tensor.device)] * self._weight
        terms = torch.stack([weighted.real, weighted.imag, self._weight.expand(weighted.shape)], dim=1)
        corners, fractions = corners[near], fractions[near]
        if fractions.any():
            terms, corners = on_whole_pixels(terms, fractions), corners - BEFORE
        one, other = (list(factor) for factor in zip(*FACTORS, strict=True))
        terms = torch.cat([terms, terms[:, one] * terms[:, other]], dim=1)
        self._canvas.index_add_(0, self._pixels(corners, terms.shape[-1]), terms.permute(0, 2, 3, 1).flatten(0, 2))

    def planes(self) -> Tensor:
        """(3 + 6, H, W) float32: the sums, then the products."""
        inner = slice(self._border, -self._border)
        canvas = self._canvas.view(-1, self._width, self._canvas.shape[1])[inner, inner]
        return canvas.permute(2, 0, 1)

    def _pixels(self, corners: NDArray[np.int64], side: int) -> Tensor:
        """Where in the canvas the pixels of windows lie, one after another."""
        first = (corners + self._border) @ np.array([self._width, 1])
        steps = torch.arange(side, device=self._canvas.device)
        within = (steps[:, None] * self._width + steps).flatten()
        return (torch.from_numpy(first).to(within.device)[:, None] + within).flatten()


def _indices(near: NDArray[np.bool_], device: torch.device) -> slice | Tensor:
    """Those that are near, without a copy where all are."""
    return slice(None) if near.all() else torch.from_numpy(np.flatnonzero(near)).to(device)
