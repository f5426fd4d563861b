"""Patches of a batch cut from one canvas, and merged on it where they overlap.

The twin of `ptycho_host.physics.patches` for torch tensors on a large canvas: the same cubic taps, by gathers and
scattered sums, so that a batch costs what its patches cost, whatever the size of the canvas.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_host.physics.patches import BEFORE, TAPS, corners_and_fractions, tap_weights


class Placement:
    """Where all patches of a scan lie on the canvas (H, W), which is held flat: H W pixels and one that is nowhere.

    That last pixel stands for everything beyond the canvas; it is zero.
    """

    def __init__(
        self,
        positions: NDArray[np.float64],
        pixels: int,
        shape: tuple[int, int],
        device: torch.device,
        *,
        movable: bool = False,
    ) -> None:
        """Of `movable` patches the windows can tell the slopes, at whole pixels too."""
        corners, fractions = corners_and_fractions(positions, pixels)
        between = movable or bool(fractions.any())
        self._shape = shape
        self._side = pixels + TAPS - 1 if between else pixels
        self._first = torch.from_numpy(corners - BEFORE if between else corners).to(device)
        self._taps = torch.from_numpy(tap_weights(fractions).astype(np.float32)).to(device) if between else None
        self._slopes = torch.from_numpy(tap_slopes(fractions).astype(np.float32)).to(device) if movable else None
        self._sums = torch.zeros(shape[0] * shape[1] + 1, dtype=torch.complex64, device=device)

    def flat(self, canvas: NDArray[np.complex64]) -> Tensor:
        """The canvas (H, W) as a flat tensor (H W + 1,) of its own."""
        values = torch.from_numpy(np.append(canvas.ravel(), np.complex64(0)).astype(np.complex64))
        return values.to(self._first.device)

    def canvas(self, flat: Tensor) -> NDArray[np.complex64]:
        """The canvas (H, W) of a flat tensor."""
        values: NDArray[np.complex64] = flat[:-1].cpu().numpy().reshape(self._shape)
        return values

    def windows(self, indices: Tensor) -> Windows:
        """Those of the patches at `indices` (B,)."""
        (height, width), steps = self._shape, torch.arange(self._side, device=self._first.device)
        first = self._first[indices]
        rows, columns = (first[:, axis, None] + steps for axis in (0, 1))
        index = rows[:, :, None] * width + columns[:, None, :]
        inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
        index = torch.where(inside, index, height * width)
        taps, slopes = (None if values is None else values[indices] for values in (self._taps, self._slopes))
        return Windows(index, taps, slopes, self._sums)


class Windows:
    """The pixels of the canvas (B, W, W) that a batch of patches (B, N, N) is interpolated from."""

    def __init__(self, index: Tensor, taps: Tensor | None, slopes: Tensor | None, sums: Tensor) -> None:
        self._shape = index.shape
        self._index = index.flatten()
        self._taps = taps
        self._slopes = slopes
        self._sums = sums

    def read(self, flat: Tensor) -> Tensor:
        """The windows' pixels (B, W, W) of the canvas."""
        return flat.gather(0, self._index).view(self._shape)

    def add(self, flat: Tensor, values: Tensor) -> None:
        """Add (B, W, W) to the canvas, once a pixel: windows that share a pixel hold the same there."""
        # Of all ways to write, the scatter of torch is several times the fastest on CPUs.
        flat.scatter_(0, self._index, flat.gather(0, self._index) + values.flatten())
        flat[-1] = 0

    def cut(self, windows: Tensor) -> Tensor:
        """The patches (B, N, N) that lie in the windows (B, W, W)."""
        return windows if self._taps is None else _interpolated(windows, self._taps[:, 0], self._taps[:, 1])

    def slopes(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """How the patches (B, N, N) change as their positions grow, a pixel in y and a pixel in x; of movable ones."""
        assert self._taps is not None
        assert self._slopes is not None
        return (
            _interpolated(windows, self._slopes[:, 0], self._taps[:, 1]),
            _interpolated(windows, self._taps[:, 0], self._slopes[:, 1]),
        )

    def merge(self, patches: Tensor) -> Tensor:
        """Each window's part (B, W, W) of the sum of all patches (B, N, N), each spread by the adjoint of `cut`."""
        spread = patches if self._taps is None else self._spread(patches, self._taps)
        # The canvas of sums is as large as the object: it is zeroed where it was used, not made anew.
        sums = self._sums if patches.is_complex() else torch.view_as_real(self._sums)[:, 0]
        sums.scatter_add_(0, self._index, spread.flatten())
        merged = sums.gather(0, self._index)
        sums.scatter_(0, self._index, torch.zeros_like(merged))
        return merged.view(self._shape)

    def _spread(self, patches: Tensor, taps: Tensor) -> Tensor:
        count, pixels = patches.shape[0], patches.shape[-1]
        rows, columns = taps[:, 0, :, None, None], taps[:, 1, :, None, None]
        lines = patches.new_zeros(count, pixels, self._shape[-1])
        for tap in range(TAPS):
            lines[:, :, tap : tap + pixels] += columns[:, tap] * patches
        windows = patches.new_zeros(self._shape)
        for tap in range(TAPS):
            windows[:, tap : tap + pixels] += rows[:, tap] * lines
        return windows


def tap_slopes(fraction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Derivatives (…, 4) of `ptycho_host.physics.patches.tap_weights` with respect to `fraction` (…); they sum to 0."""
    offset = fraction[..., None] - np.arange(-BEFORE, TAPS - BEFORE)
    distance = np.abs(offset)
    near = (4.5 * distance - 5) * distance
    far = (-1.5 * distance + 5) * distance - 4
    return np.sign(offset) * np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


def _interpolated(windows: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Patches (B, N, N) of windows (B, W, W), with taps (B, 4) along either axis."""
    pixels = windows.shape[-1] - (TAPS - 1)
    rows, columns = rows[:, :, None, None], columns[:, :, None, None]
    lines = rows[:, 0] * windows[:, :pixels]
    for tap in range(1, TAPS):
        lines.addcmul_(rows[:, tap].to(lines.dtype), windows[:, tap : tap + pixels])
    patches = columns[:, 0] * lines[:, :, :pixels]
    for tap in range(1, TAPS):
        patches.addcmul_(columns[:, tap].to(lines.dtype), lines[:, :, tap : tap + pixels])
    return patches
