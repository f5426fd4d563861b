"""Cutting and merging on the device do what `ptycho_host.physics.patches` does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ptycho_host.physics.patches import extract_patches, place_patches
from ptycho_iterative.windows import Placement

PIXELS, SHAPE = 8, (21, 18)
WHOLE = np.array([[4.0, 4.0], [9.0, 7.0], [9.0, 8.0], [19.0, 16.0], [2.0, 1.0]])
BETWEEN = WHOLE + np.array([[0.25, 0.5], [0.75, 0.125], [0.5, 0.0], [0.3, 0.9], [0.0, 0.6]])
CPU = torch.device("cpu")
# Single precision here, double there: a few rounding errors of numbers of order one.
TOLERANCE = {"rtol": 0, "atol": 5e-6}


def random_complex(*shape: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


@pytest.mark.parametrize("positions", [WHOLE, BETWEEN])
def test_patches_are_those_of_the_host_also_beyond_the_canvas(positions: np.ndarray) -> None:
    canvas = random_complex(*SHAPE)
    placement = Placement(positions, PIXELS, SHAPE, CPU)
    chosen = [3, 0, 4]
    windows = placement.windows(torch.tensor(chosen))
    patches = windows.cut(windows.read(placement.flat(canvas.astype(np.complex64))))
    np.testing.assert_allclose(patches.numpy(), extract_patches(canvas, positions[chosen], PIXELS), **TOLERANCE)


@pytest.mark.parametrize("positions", [WHOLE, BETWEEN])
def test_overlapping_patches_are_summed_and_land_once_a_pixel(positions: np.ndarray) -> None:
    values = random_complex(len(positions), PIXELS, PIXELS, seed=1)
    expected = random_complex(*SHAPE, seed=2)
    placement = Placement(positions, PIXELS, SHAPE, CPU)
    flat = placement.flat(expected.astype(np.complex64))
    windows = placement.windows(torch.arange(len(positions)))
    for _ in range(2):  # the second time finds the canvas of sums empty again
        windows.add(flat, windows.merge(torch.from_numpy(values.astype(np.complex64))))
        place_patches(expected, values, positions)
    np.testing.assert_allclose(placement.canvas(flat), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("positions", [WHOLE, BETWEEN])
def test_real_numbers_are_merged_as_well(positions: np.ndarray) -> None:
    values = np.random.default_rng(3).uniform(size=(len(positions), PIXELS, PIXELS))
    placement = Placement(positions, PIXELS, SHAPE, CPU)
    windows = placement.windows(torch.arange(len(positions)))
    merged = windows.merge(torch.from_numpy(values.astype(np.float32)))
    flat = placement.flat(np.zeros(SHAPE, np.complex64))
    windows.add(flat, merged.to(torch.complex64))
    expected = np.zeros(SHAPE)
    place_patches(expected, values, positions)
    np.testing.assert_allclose(placement.canvas(flat), expected, **TOLERANCE)


def test_merging_is_the_adjoint_of_cutting() -> None:
    canvas, values = random_complex(*SHAPE), random_complex(len(BETWEEN), PIXELS, PIXELS, seed=1)
    placement = Placement(BETWEEN, PIXELS, SHAPE, CPU)
    windows = placement.windows(torch.arange(len(BETWEEN)))
    cut = windows.cut(windows.read(placement.flat(canvas.astype(np.complex64)))).numpy()
    flat = placement.flat(np.zeros(SHAPE, np.complex64))
    windows.add(flat, windows.merge(torch.from_numpy(values.astype(np.complex64))))
    assert np.vdot(values, cut) == pytest.approx(np.vdot(placement.canvas(flat), canvas), rel=1e-5)
