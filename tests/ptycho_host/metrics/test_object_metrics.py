"""Scores of an object against the truth: analytic cases, scikit-image, and what is not defined."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ptycho_host.metrics.object_metrics import object_metrics
from ptycho_host.metrics.region import Region

Complex = NDArray[np.complexfloating[Any, Any]]
REGION = Region((8, 104), (12, 116))
INSIDE = REGION.slices


def smooth(seed: int, low: float, high: float, sigma: float = 3) -> NDArray[np.float64]:
    values = gaussian_filter(np.random.default_rng(seed).normal(size=(112, 128)), sigma)
    return low + (high - low) * (values - values.min()) / np.ptp(values)


@pytest.fixture
def truth() -> Complex:
    return smooth(0, 0.4, 1.0) * np.exp(1j * smooth(1, -0.8, 0.8))


@pytest.mark.parametrize("factor", [1.0, 1.7 * np.exp(2.5j), 0.01 * np.exp(-1j * np.pi)])
def test_the_truth_itself_is_perfect_whatever_its_scale_and_phase(truth: Complex, factor: complex) -> None:
    scores = object_metrics((truth * factor).astype(np.complex64), truth, REGION)
    for block in (scores.amplitude, scores.phase):
        # complex64 carries about 1e-7.
        assert block.ssim == pytest.approx(1, abs=1e-6)
        assert block.mae == pytest.approx(0, abs=1e-6)
        assert block.psnr is not None
        assert block.psnr > 110
        assert block.frc50 == 0.5


def test_scores_do_not_depend_on_the_truths_own_phase(truth: Complex) -> None:
    noisy = truth * np.exp(1j * smooth(7, -0.3, 0.3))
    plain = object_metrics(noisy, truth, REGION).phase
    for turn in (1.0, np.pi, -2.5):
        turned = object_metrics(noisy, truth * np.exp(1j * turn), REGION).phase
        assert turned.ssim == pytest.approx(plain.ssim, rel=1e-9)
        assert turned.mae == pytest.approx(plain.mae, rel=1e-9)
        assert turned.frc50 == pytest.approx(plain.frc50, rel=1e-9)


def test_phases_that_wrap_are_no_error(truth: Complex) -> None:
    # Four turns of phase over the image, in both.
    winding = truth * np.exp(1j * np.linspace(0, 8 * np.pi, 128))
    error = smooth(5, -0.05, 0.05)
    error -= np.angle(np.sum((np.abs(truth) ** 2 * np.exp(1j * error))[INSIDE]))
    scores = object_metrics(winding * np.exp(1j * error), winding, REGION).phase
    assert scores.mae == pytest.approx(np.abs(error[INSIDE]).mean(), rel=1e-9)
    assert scores.ssim is not None
    assert scores.ssim > 0.99


def test_known_noise_gives_known_errors(truth: Complex) -> None:
    rng = np.random.default_rng(2)
    scores = object_metrics(truth * np.exp(0.1j * rng.normal(size=truth.shape)), truth, REGION)
    # Mean |x| of a normal deviate is sigma sqrt(2/pi); 9,984 pixels give 0.8 % of spread; four sigma.
    assert scores.phase.mae == pytest.approx(0.1 * np.sqrt(2 / np.pi), rel=0.03)
    assert scores.phase.mse == pytest.approx(0.01, rel=0.06)
    assert scores.amplitude.mae == pytest.approx(0, abs=1e-12)
    assert scores.phase.psnr == pytest.approx(10 * np.log10(np.ptp(np.angle(truth)[INSIDE]) ** 2 / 0.01), abs=0.3)


def test_scores_are_scikit_images_own(truth: Complex) -> None:
    image = truth + 0.05 * smooth(9, -1, 1, 1)
    scores = object_metrics(image, truth, REGION)
    energy, product = np.sum(np.abs(image[INSIDE]) ** 2), np.sum(np.abs(image * truth)[INSIDE])
    target, scaled = np.abs(truth[INSIDE]), np.abs(image[INSIDE]) * product / energy
    data_range = np.ptp(target)
    ssim = structural_similarity(target, scaled, data_range=data_range)
    assert scores.amplitude.ssim == pytest.approx(ssim, rel=1e-9)
    assert scores.amplitude.psnr == pytest.approx(peak_signal_noise_ratio(target, scaled, data_range=data_range))
    turn = np.exp(1j * np.angle(np.sum((truth * image.conj())[INSIDE])))
    # No phase here comes near +-pi, so plain angles are the unwrapped ones; zero is the truth's mean phase.
    zero = np.angle(np.sum(truth[INSIDE]))
    target, turned = np.angle(truth[INSIDE]) - zero, np.angle((image * turn)[INSIDE]) - zero
    data_range = np.ptp(target)
    assert scores.phase.ssim == pytest.approx(structural_similarity(target, turned, data_range=data_range), rel=1e-9)
    assert scores.phase.psnr == pytest.approx(peak_signal_noise_ratio(target, turned, data_range=data_range))


def test_phase_is_compared_only_where_there_is_amplitude(truth: Complex) -> None:
    dark = truth.copy()
    dark[40:60, 40:60] *= 1e-3
    scrambled = dark.copy()
    scrambled[40:60, 40:60] *= np.exp(2j)
    scores = object_metrics(scrambled, dark, REGION).phase
    assert scores.mae == pytest.approx(0, abs=1e-6)
    assert scores.ssim == pytest.approx(1, abs=1e-6)
    everywhere = object_metrics(scrambled, dark, REGION, phase_threshold=0).phase
    assert everywhere.mae == pytest.approx(2 * 400 / 9984, rel=1e-3)


def test_uncovered_pixels_and_pixels_outside_the_region_do_not_count(truth: Complex) -> None:
    spoilt = truth * np.exp(1j)
    covered = np.ones(truth.shape, dtype=np.bool_)
    covered[50:54, 50:54] = False
    spoilt[~covered] = 0
    spoilt[:8] = np.nan
    scores = object_metrics(spoilt, truth, REGION, covered=covered)
    for block in (scores.amplitude, scores.phase):
        assert block.mae == pytest.approx(0, abs=1e-12)
        assert block.ssim == pytest.approx(1, abs=1e-12)


def test_flat_phase_has_no_similarity_but_has_errors() -> None:
    truth = (smooth(0, 0.4, 1.0) * np.exp(0.7j)).astype(np.complex64)
    written = object_metrics(truth * np.exp(1j * smooth(1, -0.1, 0.1)), truth, REGION).as_json()
    phase = written["phase"]
    assert phase["ssim"] is phase["psnr"] is phase["frc50"] is phase["frc_half_bit"] is None
    assert phase["reasons"]["ssim"] == phase["reasons"]["frc50"] == "the true phase is flat"
    assert phase["mae"] > 0.001
    assert written["amplitude"]["ssim"] == pytest.approx(1, abs=1e-6)


def test_collapsed_reconstruction_has_no_ring_correlation(truth: Complex) -> None:
    scores = object_metrics(np.full(truth.shape, 0.5 + 0.5j), truth, REGION)
    assert scores.amplitude.frc50 is None
    assert scores.amplitude.reasons["frc50"] == "the reconstructed amplitude is flat"
    assert scores.amplitude.ssim is not None
    assert scores.amplitude.ssim < 0.7


def test_reconstruction_with_a_hole_of_nan_is_not_scored(truth: Complex) -> None:
    spoilt = truth.copy()
    spoilt[50, 50] = np.nan
    written = object_metrics(spoilt, truth, REGION).as_json()
    assert written["amplitude"]["ssim"] is written["phase"]["mae"] is None
    assert "not finite" in written["phase"]["reasons"]["mae"]
    json.dumps(written, allow_nan=False)


def test_tiny_region_says_why_similarity_is_missing(truth: Complex) -> None:
    scores = object_metrics(truth * 2, truth, Region((10, 15), (10, 30))).amplitude
    assert scores.ssim is None
    assert "narrower" in scores.reasons["ssim"]
    assert scores.mae == pytest.approx(0, abs=1e-12)


def test_plane_is_removed_only_when_asked_and_written_down(truth: Complex) -> None:
    tilted = truth * np.exp(0.02j * np.arange(128))
    assert object_metrics(tilted, truth, REGION).phase.mae > 0.3  # type: ignore[operator]
    removed = object_metrics(tilted, truth, REGION, remove_plane=True)
    assert removed.phase.mae == pytest.approx(0, abs=1e-6)
    assert removed.as_json()["alignment"]["plane_rad_per_pixel"] == pytest.approx([0, -0.02], abs=1e-8)
    assert removed.as_json()["region"] == {"rows": [8, 104], "columns": [12, 116]}
