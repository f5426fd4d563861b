"""Cutting patches from small canvases and placing them back by matrix products.

The twin of `ptycho_host.physics.patches` for many small canvases at once: the same cubic taps, written as one dense
matrix an axis, because a batched product has one static shape, is faster than gathers, and is differentiable both ways.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ptycho_contrib_tf.library import tf
from ptycho_host.physics.patches import BEFORE, TAPS, corners_and_fractions


def cubic_kernel(distance: tf.Tensor) -> tf.Tensor:
    """Keys' cubic convolution kernel (IEEE Trans. ASSP 29 (1981), eq. 15, a = -1/2) at `distance` in pixels."""
    distance = tf.abs(distance)
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return tf.where(distance <= 1, near, tf.where(distance < 2, far, tf.zeros_like(far)))


def spreading_kernel(distance: tf.Tensor) -> tf.Tensor:
    """Linear interpolation at `distance` in pixels, with a thousandth of a kernel twice as wide; its sum is not 1.

    For weighted means between whole pixels: never negative, so that placed weights stay weights, and wide enough for
    every pixel that cubic taps read beside a sharp edge of the probe to get a value.
    """
    distance = tf.abs(distance)
    return tf.nn.relu(1 - distance) + 1e-3 * tf.nn.relu(2 - distance)


def canvas_side(reach: float, pixels: int) -> int:
    """Side of a square canvas for groups of patches whose positions lie up to `reach` pixels apart along an axis."""
    return math.ceil(reach) + pixels + TAPS - 1


def canvas_coordinates(positions: NDArray[np.float64], pixels: int) -> NDArray[np.float32]:
    """Coordinates (…, K, 2) of the first pixels of patches centred at `positions` (…, K, 2), on their group's canvas.

    The canvas starts just before the first patch of the group.
    """
    corner, fraction = corners_and_fractions(positions, pixels)
    first: NDArray[np.float32] = (corner - corner.min(axis=-2, keepdims=True) + BEFORE + fraction).astype(np.float32)
    return first


def interpolation_matrices(
    first: tf.Tensor, pixels: int, side: int, kernel: Callable[[tf.Tensor], tf.Tensor] = cubic_kernel
) -> tf.Tensor:
    """Matrices (…, pixels, side) that interpolate a patch's pixels from a line of the canvas.

    `first` (…) is the coordinate of the patch's first pixel on that line.
    """
    coordinate = first[..., None] + tf.range(pixels, dtype=first.dtype)
    return kernel(tf.range(side, dtype=first.dtype) - coordinate[..., None])


def transform(rows: tf.Tensor, image: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Rows @ image @ columns^T with real matrices, of a real or complex image.

    With interpolation matrices it cuts patches from canvases; with their transposes it places patches.
    """
    if image.dtype.is_complex:
        return tf.complex(transform(rows, tf.math.real(image), columns), transform(rows, tf.math.imag(image), columns))
    return tf.matmul(tf.matmul(rows, image), columns, transpose_b=True)
