"""Cutting patches from small canvases and placing them back by matrix products.

The twin of `ptycho_host.physics.patches` for many small canvases at once: the same cubic taps, written as one dense
matrix an axis, because a batched product is faster than gathers and is differentiable both ways.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_host.physics.patches import BEFORE, TAPS, corners_and_fractions


def cubic_kernel(distance: Tensor) -> Tensor:
    """Keys' cubic convolution kernel (IEEE Trans. ASSP 29 (1981), eq. 15, a = -1/2) at `distance` in pixels."""
    distance = distance.abs()
    near = (1.5 * distance - 2.5) * distance.square() + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return torch.where(distance <= 1, near, torch.where(distance < 2, far, 0.0))


def spreading_kernel(distance: Tensor) -> Tensor:
    """Linear interpolation at `distance` in pixels, with a thousandth of a kernel twice as wide; its sum is not 1.

    For weighted means between whole pixels: never negative, so that placed weights stay weights, and wide enough for
    every pixel that cubic taps read beside a sharp edge of the probe to get a value.
    """
    distance = distance.abs()
    return (1 - distance).clamp_min(0) + 1e-3 * (2 - distance).clamp_min(0)


def canvas_side(reach: float, pixels: int) -> int:
    """Side of a square canvas for groups of patches whose positions lie up to `reach` pixels apart along an axis."""
    return math.ceil(reach) + pixels + TAPS - 1


def canvas_coordinates(positions: NDArray[np.float64], pixels: int) -> NDArray[np.float64]:
    """Coordinates (…, K, 2) of the first pixels of patches centred at `positions` (…, K, 2), on their group's canvas.

    The canvas starts just before the first patch of the group.
    """
    corner, fraction = corners_and_fractions(positions, pixels)
    first: NDArray[np.float64] = corner - corner.min(axis=-2, keepdims=True) + BEFORE + fraction
    return first


def interpolation_matrices(
    first: Tensor, pixels: int, side: int, kernel: Callable[[Tensor], Tensor] = cubic_kernel
) -> Tensor:
    """Matrices (…, pixels, side) that interpolate a patch's pixels from a line of the canvas.

    `first` (…) is the coordinate of the patch's first pixel on that line.
    patch = rows @ canvas @ columns^T cuts; the adjoint, rows^T @ patch @ columns, places.
    """
    coordinate = first[..., None] + torch.arange(pixels, device=first.device, dtype=first.dtype)
    return kernel(torch.arange(side, device=first.device, dtype=first.dtype) - coordinate[..., None])
