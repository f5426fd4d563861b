"""The dose of a scan and the statistics of counting."""

from __future__ import annotations

import numpy as np
import pytest

from ptycho_host.physics.dose import count_photons, probe_for_dose
from ptycho_host.physics.far_field import diffraction_amplitude


def random_complex(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


@pytest.mark.parametrize("photons", [1.0, 1e4, 1e9])
def test_patterns_hold_the_photons_asked_for_on_average(photons):
    patches, probe = random_complex(20, 16, 16), 1e-3 * random_complex(16, 16, seed=1)
    light = np.sum(np.abs(patches * probe) ** 2, axis=(1, 2)).mean()
    scaled = probe_for_dose(probe, light / np.sum(np.abs(probe) ** 2), photons)
    counts = np.sum(diffraction_amplitude(patches, scaled) ** 2, axis=(1, 2))
    # The probe is rounded to single precision.
    assert counts.mean() == pytest.approx(photons, rel=1e-6)
    assert scaled.dtype == np.complex64
    assert np.ptp(np.angle(scaled / probe)) < 1e-6


def test_the_probe_s_own_scale_does_not_matter():
    probe = random_complex(8, 8)
    np.testing.assert_allclose(probe_for_dose(1e6 * probe, 0.5, 1e3), probe_for_dose(1e-6 * probe, 0.5, 1e3), rtol=1e-6)


@pytest.mark.parametrize("rate", [0.2, 4.0, 1e3, 1e6])
def test_mean_and_variance_are_those_of_poisson(rate):
    draws = 200_000
    amplitude = count_photons(np.full(draws, np.sqrt(rate)), np.random.default_rng(3))
    counts = amplitude.astype(np.float64) ** 2
    # Five standard errors; that of the variance follows from the fourth moment rate + 3 rate^2.
    assert abs(counts.mean() - rate) < 5 * np.sqrt(rate / draws)
    assert abs(counts.var() - rate) < 5 * np.sqrt((rate + 2 * rate**2) / draws)


def test_counts_are_whole_and_dark_pixels_stay_dark():
    expected = np.abs(random_complex(5, 16, 16)) * 3
    expected[:, 4:9] = 0
    amplitude = count_photons(expected, np.random.default_rng(0))
    assert amplitude.dtype == np.float32
    assert not amplitude[:, 4:9].any()
    counts = amplitude.astype(np.float64) ** 2
    # A square root in single precision, squared again, is off by 1e-7 of the count.
    np.testing.assert_allclose(counts, np.round(counts), rtol=3e-7)


def test_whole_number_amplitudes_do_not_overflow():
    amplitude = count_photons(np.full((64, 64), 300, dtype=np.uint16), np.random.default_rng(0))
    assert np.mean(amplitude.astype(np.float64) ** 2) == pytest.approx(90_000, abs=5 * 300 / 64)


def test_draws_follow_from_the_generator_alone():
    expected = np.abs(random_complex(4, 8, 8)) * 10
    first, same, other = (count_photons(expected, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
