"""Interpolation by matrices against cutting and placing in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from ptycho_contrib_tf.library import tf
from ptycho_contrib_tf.patches import (
    canvas_coordinates,
    canvas_side,
    interpolation_matrices,
    spreading_kernel,
    transform,
)
from ptycho_host.physics.patches import BEFORE, extract_patches, place_patches

PIXELS = 12
# Coordinates of up to 20 pixels are float32, exact to 1e-6; the object changes by up to 6 a pixel.
TOLERANCE = 2e-5


def group(fractional: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positions = rng.uniform(20, 29, size=(5, 2))
    if not fractional:
        positions = np.round(positions)
    obj = rng.normal(size=(48, 48)) + 1j * rng.normal(size=(48, 48))
    return positions, obj.astype(np.complex64)


def matrices(positions: np.ndarray) -> tuple[tf.Tensor, tf.Tensor, int]:
    side = canvas_side(9.0, PIXELS)
    first = tf.constant(canvas_coordinates(positions, PIXELS))
    rows = interpolation_matrices(first[:, 0], PIXELS, side)
    columns = interpolation_matrices(first[:, 1], PIXELS, side)
    return rows, columns, side


@pytest.mark.parametrize("fractional", [False, True])
def test_cutting_is_the_reference(fractional: bool) -> None:
    positions, obj = group(fractional)
    rows, columns, side = matrices(positions)
    top, left = np.floor(np.round(positions - PIXELS / 2, 6)).min(axis=0).astype(int) - BEFORE
    canvas = tf.constant(obj[top : top + side, left : left + side])
    cut = transform(rows, canvas[None], columns)
    np.testing.assert_allclose(cut, extract_patches(obj, positions, PIXELS), atol=TOLERANCE)


@pytest.mark.parametrize("fractional", [False, True])
def test_placing_is_the_reference(fractional: bool) -> None:
    positions, _ = group(fractional)
    rows, columns, side = matrices(positions)
    patches = (np.random.default_rng(1).normal(size=(5, PIXELS, PIXELS)) + 0j).astype(np.complex64)
    expected = np.zeros((48, 48), dtype=np.complex128)
    place_patches(expected, patches, positions)
    top, left = np.floor(np.round(positions - PIXELS / 2, 6)).min(axis=0).astype(int) - BEFORE
    spread = transform(tf.linalg.matrix_transpose(rows), tf.constant(patches), tf.linalg.matrix_transpose(columns))
    placed = tf.reduce_sum(spread, axis=0).numpy()
    np.testing.assert_allclose(placed, expected[top : top + side, left : left + side], atol=TOLERANCE)
    # Nothing was lost beyond the canvas.
    assert placed.sum() == pytest.approx(expected.sum(), abs=1e-4)


def test_spreading_keeps_weights_positive_and_reaches_all_cubic_taps() -> None:
    first = tf.constant(np.random.default_rng(0).uniform(1, 2, 20), tf.float32)
    spread = interpolation_matrices(first, PIXELS, PIXELS + 4, spreading_kernel).numpy()
    cubic = interpolation_matrices(first, PIXELS, PIXELS + 4).numpy()
    assert spread.min() >= 0
    assert (spread[cubic != 0] > 0).all()
