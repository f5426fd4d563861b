"""Where the patterns of a batch would rather lie."""

from __future__ import annotations

import torch
from torch import Tensor

from ptycho_iterative.least_squares import fitted_together
from ptycho_iterative.sight import Sight

FARTHEST = 0.5
"""Object pixels that a pattern moves at most in an epoch along an axis: farther, the slopes do not reach."""
MODULUS_ONLY = 2.0
"""A modulus tells half of what a small change of a wave brings, the other half goes into its phase."""


def shifts(sight: Sight, slopes: tuple[Tensor, Tensor]) -> Tensor:
    """Shifts (B, 2), (y, x) in object pixels, float64, that bring each pattern nearest to its measured moduli.

    slopes: how the patches (B, N, N) change with y and with x. The gradient of the squared difference of amplitudes
    with respect to a position is -2 Re sum (P dO/dy)* chi (Guizar-Sicairos and Fienup, Opt. Express 16 (2008) 7264,
    section 3); its length is fitted by least squares, as that of object and probe (Odstrcil, Menzel and
    Guizar-Sicairos, Opt. Express 26 (2018) 3108, section 3.5).
    """
    by_y, by_x = (sight.probe * slope[:, None] for slope in slopes)
    wanted = torch.stack(fitted_together(sight.difference, by_y, by_x), dim=-1)
    return (MODULUS_ONLY * wanted).clamp(-FARTHEST, FARTHEST)
