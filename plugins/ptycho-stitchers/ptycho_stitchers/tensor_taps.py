"""Patches between pixels spread onto whole ones, by matrix products: few kernels, whatever their number."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ptycho_host.physics.patches import TAPS, tap_weights


def on_whole_pixels(patches: Tensor, fractions: NDArray[np.float64]) -> Tensor:
    """Patches (B, C, n, n) float32 that lie `fractions` (B, 2) (y, x) of a pixel behind theirs, (B, C, n + 3, n + 3).

    The twin of `ptycho_host.physics.patches.spread_patches`: the first pixels lie one before the patches'.
    """
    taps = torch.from_numpy(tap_weights(fractions).astype(np.float32)).to(patches.device)
    rows, columns = _spreading(taps, patches.shape[-1]).unbind(1)
    return rows[:, None] @ patches @ columns[:, None].mT


def _spreading(taps: Tensor, side: int) -> Tensor:
    """Matrices (B, 2, side + 3, side) with the taps (B, 2, 4) along their diagonals."""
    behind = torch.arange(side + TAPS - 1, device=taps.device)[:, None] - torch.arange(side, device=taps.device)
    # One more tap, of weight zero, stands for all entries that are on none of the diagonals.
    return F.pad(taps, (0, 1))[..., torch.where((behind >= 0) & (behind < TAPS), behind, TAPS)]
