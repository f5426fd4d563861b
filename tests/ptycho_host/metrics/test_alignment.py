"""What ptychography cannot know is removed, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ptycho_host.metrics.alignment import align, phase_plane
from ptycho_host.metrics.region import Region

REGION = Region((20, 84), (16, 88))


def specimen(shape: tuple[int, int] = (104, 104), seed: int = 3) -> NDArray[np.complex128]:
    """A smooth complex object, amplitude about 0.5 to 1, phase about +-1 rad."""
    rng = np.random.default_rng(seed)
    amplitude, phase = (gaussian_filter(rng.normal(size=shape), 3) for _ in range(2))
    amplitude = 0.5 + 0.5 * (amplitude - amplitude.min()) / np.ptp(amplitude)
    return amplitude * np.exp(1j * phase / np.abs(phase).max())


@pytest.fixture
def truth() -> NDArray[np.complex128]:
    return specimen()


@pytest.mark.parametrize("phase", [0.0, 2.9, -3.1, np.pi])
def test_constant_phase_and_scale_are_undone(truth: NDArray[np.complex128], phase: float) -> None:
    found = align(truth, truth * 0.3 * np.exp(1j * phase), REGION)
    # Closed forms: exact to double rounding.
    np.testing.assert_allclose(found.object, truth, atol=1e-13)
    assert found.amplitude_scale == pytest.approx(1 / 0.3, rel=1e-12)
    assert found.plane is None
    assert found.shift is None


def test_scale_is_the_least_squares_one(truth: NDArray[np.complex128]) -> None:
    rng = np.random.default_rng(0)
    other = np.abs(truth) + 0.2 * rng.random(truth.shape)
    found = align(truth, other, Region.whole(truth.shape))
    design = other.ravel()[:, None]
    expected = np.linalg.lstsq(design, np.abs(truth).ravel(), rcond=None)[0][0]
    assert found.amplitude_scale == pytest.approx(expected, rel=1e-12)


def test_pixels_without_weight_do_not_count(truth: NDArray[np.complex128]) -> None:
    spoilt = truth.copy()
    spoilt[30:60, 30:60] *= 40 * np.exp(1.5j)
    weights = np.ones(truth.shape)
    weights[30:60, 30:60] = 0
    found = align(truth, spoilt * np.exp(0.7j), REGION, weights=weights)
    assert found.amplitude_scale == pytest.approx(1, rel=1e-12)
    assert found.phase == pytest.approx(-0.7, abs=1e-12)


@pytest.mark.parametrize("slope", [(0.3, -0.11), (-1.9, 2.4), (0.004, 0.0)])
def test_plane_is_found_across_many_wraps(truth: NDArray[np.complex128], slope: tuple[float, float]) -> None:
    rows, columns = np.ogrid[: truth.shape[0], : truth.shape[1]]
    tilted = truth * np.exp(-1j * (slope[0] * rows + slope[1] * columns + 1.0))
    found = align(truth, tilted, REGION, remove_plane=True)
    # BFGS stops at a gradient of 1e-10; slopes are then good to far better than 1e-7 rad a pixel.
    assert found.plane == pytest.approx(slope, abs=1e-7)
    np.testing.assert_allclose(found.object, truth, atol=1e-5)


def test_plane_stays_unless_asked_for(truth: NDArray[np.complex128]) -> None:
    rows = np.arange(truth.shape[0])[:, None]
    found = align(truth, truth * np.exp(0.01j * rows), REGION)
    ratio = found.object * truth.conj()
    assert np.angle(ratio[80, 50] * np.conj(ratio[30, 50])) == pytest.approx(0.5, abs=1e-9)


def test_plane_of_noisy_phases_is_the_true_one() -> None:
    rng = np.random.default_rng(1)
    rows, columns = np.ogrid[:64, :48]
    noise = 0.5 * rng.normal(size=(64, 48))
    slope = phase_plane(np.exp(1j * (0.2 * rows - 0.05 * columns + noise)), np.ones((64, 48)), np.ones((64, 48)))
    # Cramer-Rao: 0.5 rad over 3,072 pixels spread by 18 and 14 pixels gives 5e-4 and 7e-4; five sigma.
    assert slope == pytest.approx((0.2, -0.05), abs=3.5e-3)


@pytest.mark.parametrize("with_plane", [False, True])
def test_sub_pixel_shift_is_undone_when_asked_for(with_plane: bool) -> None:
    # A band-limited object can be shifted exactly by Fourier interpolation, an oracle independent of the splines used.
    spectrum = np.fft.fft2(specimen((128, 128)))
    frequency = np.fft.fftfreq(128)
    ramp = np.exp(-2j * np.pi * (2.37 * frequency[:, None] - 1.62 * frequency[None, :]))
    truth, moved = np.fft.ifft2(spectrum), np.fft.ifft2(spectrum * ramp)
    if with_plane:
        moved = moved * np.exp(1j * (0.4 + 0.06 * np.arange(128)[:, None]))
    found = align(truth, moved, Region((24, 104), (24, 104)), register=True, remove_plane=with_plane)
    # Estimated in steps of 0.01 pixel.
    assert found.shift == pytest.approx((-2.37, 1.62), abs=0.02)
    inside = (slice(24, 104), slice(24, 104))
    assert np.abs(found.object - truth)[inside].mean() < 2e-3


def test_empty_reconstruction_has_a_finite_alignment(truth: NDArray[np.complex128]) -> None:
    found = align(truth, np.zeros_like(truth), REGION, remove_plane=True)
    assert found.amplitude_scale == 1
    assert np.isfinite(found.object).all()


def test_two_shapes_are_refused(truth: NDArray[np.complex128]) -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        align(truth, truth[1:], REGION)
