"""Interpolation by matrices against cutting and placing in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ptycho_host.physics.patches import BEFORE, extract_patches, place_patches
from ptycho_torch.patches import canvas_coordinates, canvas_side, interpolation_matrices, spreading_kernel

PIXELS = 12
# The matrices are float32 and the positions keep six decimals.
TOLERANCE = 5e-6


def group(fractional: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positions = rng.uniform(20, 29, size=(5, 2))
    if not fractional:
        positions = np.round(positions)
    obj = rng.normal(size=(48, 48)) + 1j * rng.normal(size=(48, 48))
    return positions, obj


def matrices(positions: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, int]:
    side = canvas_side(9.0, PIXELS)
    first = torch.from_numpy(canvas_coordinates(positions, PIXELS))
    rows = interpolation_matrices(first[:, 0], PIXELS, side).to(torch.complex128)
    columns = interpolation_matrices(first[:, 1], PIXELS, side).to(torch.complex128)
    return rows, columns, side


@pytest.mark.parametrize("fractional", [False, True])
def test_cutting_is_the_reference(fractional: bool) -> None:
    positions, obj = group(fractional)
    rows, columns, side = matrices(positions)
    top, left = np.floor(np.round(positions - PIXELS / 2, 6)).min(axis=0).astype(int) - BEFORE
    canvas = torch.from_numpy(obj[top : top + side, left : left + side])
    np.testing.assert_allclose(
        (rows @ canvas @ columns.mT).numpy(), extract_patches(obj, positions, PIXELS), atol=TOLERANCE
    )


@pytest.mark.parametrize("fractional", [False, True])
def test_placing_is_the_reference(fractional: bool) -> None:
    positions, _ = group(fractional)
    rows, columns, side = matrices(positions)
    patches = np.random.default_rng(1).normal(size=(5, PIXELS, PIXELS)) + 0j
    expected = np.zeros((48, 48), dtype=np.complex128)
    place_patches(expected, patches, positions)
    top, left = np.floor(np.round(positions - PIXELS / 2, 6)).min(axis=0).astype(int) - BEFORE
    placed = (rows.mT @ torch.from_numpy(patches) @ columns).sum(dim=0).numpy()
    np.testing.assert_allclose(placed, expected[top : top + side, left : left + side], atol=TOLERANCE)
    # Nothing was lost beyond the canvas.
    assert placed.sum() == pytest.approx(expected.sum(), abs=1e-4)


def test_spreading_keeps_weights_positive_and_reaches_all_cubic_taps() -> None:
    first = torch.rand(20, generator=torch.Generator().manual_seed(0)) + 1
    spread = interpolation_matrices(first, PIXELS, PIXELS + 4, spreading_kernel)
    cubic = interpolation_matrices(first, PIXELS, PIXELS + 4)
    assert spread.min() >= 0
    assert (spread[cubic != 0] > 0).all()
