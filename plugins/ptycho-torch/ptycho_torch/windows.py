"""Patches cut from canvases of any size and merged on them, differentiable, at the cost of the patches alone.

The twin of `ptycho_host.physics.patches` for torch tensors: the same cubic taps, by gathers and scattered sums.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ptycho_host.physics.patches import BEFORE, TAPS, corners_and_fractions, tap_weights


class Windows:
    """Where the patches (G, K, N, N) of G regions lie, each on the canvas (G, H, W) of its region.

    origin: (G, 2) int, the pixel of the object, (y, x), where each canvas starts. shape: (H, W), just large enough for
    the patches of every region.
    """

    def __init__(self, positions: NDArray[np.float64], pixels: int, device: torch.device) -> None:
        """positions: (G, K, 2) of the patches' centres, (y, x) in object pixels."""
        regions, members = positions.shape[:2]
        corners, fractions = corners_and_fractions(positions.reshape(-1, 2), pixels)
        between = bool(fractions.any())
        side = pixels + (TAPS - 1 if between else 0)
        corners = corners.reshape(regions, members, 2) - (BEFORE if between else 0)
        self.origin: NDArray[np.int64] = corners.min(axis=1)
        first = corners - self.origin[:, None]
        height, width = (int(extent) + side for extent in first.max(axis=(0, 1)))
        self.shape = (height, width)
        self._first = torch.from_numpy(first[..., 0] * width + first[..., 1]).to(device)
        steps = torch.arange(side, device=device)
        self._within = (steps[:, None] * width + steps).flatten()
        taps = tap_weights(fractions).astype(np.float32).reshape(regions, members, 2, TAPS)
        self._taps = torch.from_numpy(taps).to(device) if between else None
        self._side = side

    def cut(self, canvas: Tensor, members: slice = slice(None)) -> Tensor:
        """The patches (G, K, N, N) of canvases (G, H, W), or those of some members of each region."""
        index = self._index(members)
        windows = canvas.flatten(1).gather(1, index.flatten(1)).view(*index.shape[:2], self._side, self._side)
        if self._taps is None:
            return windows
        rows, columns = self._taps[:, members].unbind(2)
        return _interpolated(_interpolated(windows, rows).mT, columns).mT

    def merge(self, patches: Tensor, members: slice = slice(None)) -> Tensor:
        """The sums (G, H, W) of the patches (G, K, N, N) of each region, spread by the adjoint of `cut`."""
        windows = patches
        if self._taps is not None:
            rows, columns = self._taps[:, members].unbind(2)
            windows = _spread(_spread(windows.mT, columns).mT, rows)
        index = self._index(members).flatten(1)
        canvas = patches.new_zeros(len(index), self.shape[0] * self.shape[1])
        return canvas.scatter_add(1, index, windows.flatten(1)).view(-1, *self.shape)

    def _index(self, members: slice) -> Tensor:
        return self._first[:, members, None] + self._within


def _interpolated(windows: Tensor, taps: Tensor) -> Tensor:
    """Each line (…, N, W) from the rows (…, N + 3, W) around it, with taps (G, K, 4)."""
    length = windows.shape[-2] - (TAPS - 1)
    parts = [taps[..., tap, None, None] * windows[..., tap : tap + length, :] for tap in range(TAPS)]
    return torch.stack(parts).sum(dim=0)


def _spread(lines: Tensor, taps: Tensor) -> Tensor:
    """The adjoint of `_interpolated`: rows (…, N + 3, W) of lines (…, N, W)."""
    return _interpolated(F.pad(lines, (0, 0, TAPS - 1, TAPS - 1)), taps.flip(-1))
