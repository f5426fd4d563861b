"""How far a wave has to be followed to come nearest to another one, pattern by pattern."""

from __future__ import annotations

import torch
from torch import Tensor

WAVE = (-3, -2, -1)
RIDGE = 1e-6
"""Part of its diagonal by which the matrix of the fit is made safe to divide by."""


def fitted(target: Tensor, wave: Tensor) -> Tensor:
    """Real factors (B,) of waves (B, K, N, N) that come nearest to the target (B, K, N, N), in double precision."""
    return _dot(wave, target) / _safe(_dot(wave, wave))


def fitted_together(target: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Real factors (B,) of two waves (B, K, N, N) whose sum comes nearest to the target (B, K, N, N)."""
    first_first, second_second = _safe(_dot(first, first)), _safe(_dot(second, second))
    mixed = _dot(first, second)
    wanted_first, wanted_second = _dot(first, target), _dot(second, target)
    determinant = first_first * second_second - mixed.square()
    return (
        (second_second * wanted_first - mixed * wanted_second) / determinant,
        (first_first * wanted_second - mixed * wanted_first) / determinant,
    )


def _dot(first: Tensor, second: Tensor) -> Tensor:
    """Re sum first* second of each pair (B,), in double precision: the fit takes differences of its products."""
    return (first.real * second.real + first.imag * second.imag).sum(dim=WAVE, dtype=torch.float64)


def _safe(square: Tensor) -> Tensor:
    return square * (1 + RIDGE) + torch.finfo(torch.float32).tiny
