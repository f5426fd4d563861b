"""What a single pattern says about its patch: the formula, exact cases, scales."""

from __future__ import annotations

import numpy as np
import pytest

from ptycho_host.physics.backprojection import back_projection
from ptycho_host.physics.far_field import diffraction_amplitude

N = 16


def disc_probe(curvature=0.05):
    y, x = np.mgrid[:N, :N] - N / 2
    return np.where(y**2 + x**2 < 25, np.exp(1j * curvature * (y**2 + x**2)), 0)


def random_amplitudes(*shape, seed=0):
    return np.abs(np.random.default_rng(seed).normal(size=shape))


def test_equals_the_formula_written_out():
    probe, amplitude = disc_probe(), random_amplitudes(N, N)
    n = np.arange(N)
    kernel = np.exp(-2j * np.pi * np.outer(n - N // 2, n) / N) / np.sqrt(N)
    wave = kernel @ probe @ kernel.T
    c = np.sqrt((amplitude**2).sum() / (np.abs(wave) ** 2).sum())
    psi = kernel.conj().T @ (amplitude * wave / np.abs(wave)) @ kernel.conj()
    expected = c + probe.conj() * (psi - c * probe) / np.max(np.abs(probe)) ** 2
    np.testing.assert_allclose(back_projection(amplitude, probe), expected, atol=1e-12)


@pytest.mark.parametrize("value", [1.0, 0.35, 0.8 * np.exp(1.2j)])
def test_a_uniform_object_comes_back_up_to_its_phase(value):
    probe = disc_probe()
    amplitude = diffraction_amplitude(np.full((2, N, N), value, dtype=complex), probe)
    np.testing.assert_allclose(back_projection(amplitude, probe), np.abs(value), atol=1e-13)


def test_an_empty_pattern_gives_an_empty_patch():
    patch = back_projection(np.zeros((N, N)), disc_probe())
    np.testing.assert_array_equal(patch, 0)


def test_under_even_light_the_patch_explains_the_whole_pattern():
    rng = np.random.default_rng(4)
    probe = 3 * np.exp(1j * rng.uniform(-3, 3, size=(N, N)))
    amplitude = random_amplitudes(3, N, N)
    patches = back_projection(amplitude, probe)
    # With |P| constant the update reaches the exit wave, so amplitudes and with them the energy are met exactly.
    np.testing.assert_allclose(diffraction_amplitude(patches, probe), amplitude, atol=1e-12)


def test_dark_pixels_keep_the_uniform_object():
    probe, amplitude = disc_probe(), random_amplitudes(N, N)
    patch = back_projection(amplitude, probe)
    uniform = np.sqrt((amplitude**2).sum() / (np.abs(probe) ** 2).sum())
    np.testing.assert_allclose(patch[probe == 0], uniform, rtol=1e-13)


def test_object_scales_with_amplitude_and_against_the_probe():
    probe, amplitude = disc_probe(), random_amplitudes(N, N)
    patch = back_projection(amplitude, probe)
    np.testing.assert_allclose(back_projection(7 * amplitude, probe), 7 * patch, rtol=1e-12)
    np.testing.assert_allclose(back_projection(amplitude, 7 * probe), patch / 7, rtol=1e-12)
    np.testing.assert_allclose(back_projection(amplitude, probe * np.exp(0.9j)), patch, atol=1e-12)


def test_a_stack_is_treated_pattern_by_pattern_in_single_precision():
    probe = disc_probe().astype(np.complex64)
    amplitude = random_amplitudes(2, 3, N, N).astype(np.float32)
    amplitude[1] *= 50
    patches = back_projection(amplitude, probe)
    assert patches.dtype == np.complex64
    for index in np.ndindex(2, 3):
        # Same arithmetic; only the order of summation may differ in single precision.
        np.testing.assert_allclose(patches[index], back_projection(amplitude[index], probe), rtol=1e-5, atol=1e-4)
