"""Propagation to the detector: energy, analytic patterns, where the zero frequency lies, precision."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import j1

from ptycho_host.physics.far_field import diffraction_amplitude, far_field, inverse_far_field


def random_waves(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def test_equals_the_sum_that_defines_it():
    pixels = 12
    wave = random_waves(pixels, pixels)
    n = np.arange(pixels)
    kernel = np.exp(-2j * np.pi * np.outer(n - pixels // 2, n) / pixels)
    np.testing.assert_allclose(far_field(wave), kernel @ wave @ kernel.T / pixels, atol=1e-13)


@pytest.mark.parametrize("pixels", [8, 30, 64])
def test_keeps_energy(pixels):
    waves = random_waves(3, pixels, pixels)
    energy = np.sum(np.abs(waves) ** 2, axis=(1, 2))
    # Parseval, to double rounding.
    np.testing.assert_allclose(np.sum(np.abs(far_field(waves)) ** 2, axis=(1, 2)), energy, rtol=1e-13)
    np.testing.assert_allclose(np.sum(np.abs(inverse_far_field(waves)) ** 2, axis=(1, 2)), energy, rtol=1e-13)


def test_a_plane_wave_becomes_the_central_spot():
    amplitude = np.abs(far_field(np.full((16, 16), 0.5 + 0j)))
    expected = np.zeros((16, 16))
    expected[8, 8] = 0.5 * 16
    np.testing.assert_allclose(amplitude, expected, atol=1e-14)


def test_a_phase_ramp_shifts_the_pattern():
    pixels, (down, right) = 32, (3, -5)
    wave = random_waves(pixels, pixels)
    y, x = np.mgrid[:pixels, :pixels]
    tilted = wave * np.exp(2j * np.pi * (down * y + right * x) / pixels)
    np.testing.assert_allclose(far_field(tilted), np.roll(far_field(wave), (down, right), axis=(0, 1)), atol=1e-12)


def test_moving_the_wave_changes_phases_only():
    wave = random_waves(32, 32)
    moved = np.roll(wave, (7, -2), axis=(0, 1))
    np.testing.assert_allclose(np.abs(far_field(moved)), np.abs(far_field(wave)), atol=1e-12)


@pytest.mark.parametrize("centre", [(128, 128), (97.3, 150.8)])
def test_a_disc_anywhere_makes_an_airy_pattern(centre):
    pixels, radius, fine = 256, 24, 8
    # Each pixel holds the lit part of its area, so that the pixels' sinc is the only difference to the continuum.
    sample = (np.arange(pixels * fine) + 0.5) / fine - 0.5
    inside = (sample[:, None] - centre[0]) ** 2 + (sample - centre[1]) ** 2 < radius**2
    disc = inside.reshape(pixels, fine, pixels, fine).mean(axis=(1, 3))
    amplitude = np.abs(far_field(disc.astype(complex)))

    frequency = (np.arange(pixels) - pixels // 2) / pixels
    q = np.hypot(frequency[:, None], frequency)
    q[pixels // 2, pixels // 2] = 1e-12
    airy = radius * np.abs(j1(2 * np.pi * radius * q)) / q / pixels
    expected = airy * np.sinc(frequency[:, None]) * np.sinc(frequency)
    # The disc's area is known to 1 / fine of a pixel along its edge: 3e-4 of the peak; five rings are compared.
    near = q < 0.1
    assert np.abs(amplitude - expected)[near].max() < 1e-3 * airy.max()
    # The first dark ring lies at 1.22 / (2 R) cycles a pixel.
    ring = np.abs(q - 1.2197 / (2 * radius)) < 0.3 / pixels
    assert amplitude[ring].max() < 0.03 * airy.max()


@pytest.mark.parametrize(("complex_type", "real_type"), [(np.complex64, np.float32), (np.complex128, np.float64)])
def test_precision_is_kept(complex_type, real_type):
    wave = random_waves(2, 8, 8).astype(complex_type)
    assert far_field(wave).dtype == complex_type
    assert inverse_far_field(wave).dtype == complex_type
    assert diffraction_amplitude(wave, wave[0]).dtype == real_type


@pytest.mark.parametrize("pixels", [8, 9, 64])
def test_the_inverse_undoes_it_both_ways(pixels):
    waves = random_waves(2, pixels, pixels)
    np.testing.assert_allclose(inverse_far_field(far_field(waves)), waves, atol=1e-13)
    np.testing.assert_allclose(far_field(inverse_far_field(waves)), waves, atol=1e-13)


def test_amplitudes_are_those_of_object_times_probe():
    patches, probe = random_waves(3, 16, 16), random_waves(16, 16, seed=1)
    amplitude = diffraction_amplitude(patches, probe)
    for index in range(3):
        np.testing.assert_allclose(amplitude[index], np.abs(far_field(patches[index] * probe)), atol=1e-12)
