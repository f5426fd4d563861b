"""Scan positions that are wrong are found, together with the object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_host.contracts import Reconstruction, RefineFunction
from ptycho_host.data.scan import Scan
from ptycho_iterative.epie import Epie
from ptycho_iterative.lsq_ml import LsqMl
from ptycho_iterative.positions import FARTHEST, shifts
from ptycho_iterative.rpie import Rpie
from ptycho_iterative.sight import Sight, wave_difference
from ptycho_iterative.windows import Placement

Refined = Callable[..., Reconstruction]
Build = Callable[..., RefineFunction]


@pytest.fixture(scope="module")
def mistaken(noiseless: Scan) -> Scan:
    """The scan with errors of up to a pixel along each axis, 0.58 px in the root mean square."""
    errors = np.random.default_rng(1).uniform(-1, 1, noiseless.positions.shape)
    return replace(noiseless, positions=noiseless.positions + errors)


def position_errors(positions: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Distances (M,) from the true positions, less the common shift that nothing tells."""
    errors = positions - true
    distances: np.ndarray = np.linalg.norm(errors - errors.mean(axis=0), axis=1)
    return distances


@pytest.mark.parametrize("build", [Epie, Rpie, LsqMl], ids=["epie", "rpie", "lsq_ml"])
def test_errors_of_a_pixel_are_found(build: Build, noiseless: Scan, mistaken: Scan, refined: Refined) -> None:
    options = {"epochs": 40, "batch_size": 7}
    free = refined(build, mistaken, positions="free", position_start=5, **options)
    fixed = refined(build, mistaken, **options)
    assert free.positions is not None
    assert fixed.positions is None
    assert "positions were refined" in free.notes[-1]
    assert np.sqrt(np.mean(position_errors(mistaken.positions, noiseless.positions) ** 2)) > 0.7
    assert np.sqrt(np.mean(position_errors(free.positions, noiseless.positions) ** 2)) < 0.1
    assert free.refinement[-1].residual < 0.05 * fixed.refinement[-1].residual
    # All together they stay: object and positions could move as one.
    np.testing.assert_allclose(free.positions.mean(axis=0), mistaken.positions.mean(axis=0), rtol=0, atol=1e-9)


def test_positions_wait_for_their_epoch(mistaken: Scan, refined: Refined) -> None:
    waiting = refined(LsqMl, mistaken, epochs=2, positions="free", position_start=3)
    np.testing.assert_array_equal(waiting.positions, mistaken.positions)


def test_a_second_refinement_starts_from_the_refined_positions(mistaken: Scan, refined: Refined) -> None:
    first = refined(Rpie, mistaken, epochs=20, positions="free")
    second = refined(Rpie, mistaken, first, epochs=1)
    np.testing.assert_array_equal(second.positions, first.positions)
    assert second.refinement[0].residual < 1.5 * first.refinement[-1].residual


@pytest.mark.parametrize("between", [False, True])
def test_slopes_are_those_of_finite_differences(between: bool) -> None:
    rng = np.random.default_rng(0)
    canvas = (rng.normal(size=(24, 24)) + 1j * rng.normal(size=(24, 24))).astype(np.complex64)
    positions = np.array([[10.0, 11.0], [12.0, 9.0]]) + (rng.uniform(0.1, 0.9, (2, 2)) if between else 0)
    slopes = Cut(positions, canvas).slopes()
    step = 1e-2
    for axis in (0, 1):
        ahead, behind = (Cut(positions + sign * step * np.eye(2)[axis], canvas).patches() for sign in (1, -1))
        # Central differences of a cubic are off by step^2; single precision by 1e-6 / step.
        tolerance = 2e-3 if between else 3e-2  # across a whole pixel the second derivative jumps
        np.testing.assert_allclose(slopes[axis], (ahead - behind) / (2 * step), rtol=0, atol=tolerance)


class Cut:
    """Patches of 8 x 8 pixels of a canvas at positions."""

    def __init__(self, positions: np.ndarray, canvas: np.ndarray) -> None:
        placement = Placement(positions, 8, canvas.shape, torch.device("cpu"), movable=True)
        self._windows = placement.windows(torch.arange(len(positions)))
        self._read = self._windows.read(placement.flat(canvas))

    def patches(self) -> np.ndarray:
        return self._windows.cut(self._read).numpy()

    def slopes(self) -> list[np.ndarray]:
        return [slope.numpy() for slope in self._windows.slopes(self._read)]


@pytest.mark.parametrize("axis", [0, 1])
def test_the_gradient_is_that_of_the_squared_difference_of_amplitudes(noiseless: Scan, axis: int) -> None:
    step, index = 0.02, 24
    at = noiseless.positions + 0.3

    def seen(positions: np.ndarray) -> tuple[Any, Any, float]:
        assert noiseless.truth is not None
        placement = Placement(positions, 32, noiseless.truth.shape, torch.device("cpu"), movable=True)
        windows = placement.windows(torch.tensor([index]))
        read = windows.read(placement.flat(noiseless.truth))
        patches, probe = windows.cut(read), torch.from_numpy(noiseless.probe)[None]
        amplitude = torch.fft.ifftshift(torch.from_numpy(noiseless.batch(np.array([index]))), dim=(-2, -1))
        chi, sums = wave_difference(probe * patches[:, None], amplitude, None)
        return Sight(windows, patches, probe, chi), windows.slopes(read), float(sums[0])

    sight, slopes, _ = seen(at)
    wave = sight.probe * slopes[axis][:, None]
    gradient = -2 * float((wave.conj() * sight.difference).real.sum())
    ahead, behind = (seen(at + sign * step * np.eye(2)[axis])[2] for sign in (1, -1))
    assert gradient == pytest.approx((ahead - behind) / (2 * step), rel=0.02)
    assert np.all(np.abs(shifts(sight, slopes).numpy()) <= FARTHEST)


def test_a_shift_points_back_to_where_the_pattern_was(noiseless: Scan, refined: Refined) -> None:
    assert noiseless.truth is not None
    start = Reconstruction(noiseless.truth, np.ones(noiseless.truth.shape, np.float32))
    moved = noiseless.positions.copy()
    moved[24] += (0.2, -0.15)
    scan = replace(noiseless, positions=moved)
    # The true object, which hardly moves in one epoch: what is found is one Gauss-Newton step.
    result = refined(LsqMl, scan, start, epochs=1, batch_size=49, positions="free", last_step=1.0)
    assert result.positions is not None
    before, after = (position_errors(positions, noiseless.positions)[24] for positions in (moved, result.positions))
    assert after < 0.5 * before
