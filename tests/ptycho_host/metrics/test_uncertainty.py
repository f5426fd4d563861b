"""Uncertainty of stitched objects and of ensembles: the formulas, photon noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ptycho_host.contracts import PatchSpread, Reconstruction, Uncertainty
from ptycho_host.metrics.uncertainty import (
    NO_PHASE,
    ensemble_uncertainty,
    photon_noise,
    stitched_uncertainty,
)
from ptycho_host.physics.far_field import far_field, inverse_far_field
from ptycho_host.physics.illumination import illumination
from ptycho_host.physics.patches import extract_patches, place_patches
from ptycho_host.testing.scans import simulated_scan

SCAN = simulated_scan()
SHAPE = SCAN.canvas_shape()
INNER = np.s_[12:-12, 12:-12]


LIGHT = illumination(SCAN.positions, SCAN.probe, SHAPE)
COVERAGE = LIGHT / LIGHT.max()
NOISE = photon_noise(COVERAGE, SCAN)


def stitched(modulus: np.ndarray, along: np.ndarray, across: np.ndarray, patches: float = 4) -> Reconstruction:
    return Reconstruction(
        modulus.astype(np.complex64), COVERAGE, spread=PatchSpread(along, across, everywhere(patches))
    )


def everywhere(value: float) -> np.ndarray:
    return np.full(SHAPE, value, np.float32)


def test_photon_noise_is_that_of_poissonian_patterns_of_known_phase() -> None:
    rng, truth = np.random.default_rng(0), SCAN.truth
    assert truth is not None
    probe = SCAN.probe
    waves = far_field(extract_patches(truth, SCAN.positions, SCAN.pixels) * probe)
    light = np.zeros(SHAPE)
    place_patches(light, np.broadcast_to(np.abs(probe) ** 2, waves.shape), SCAN.positions)
    deviations = []
    for _ in range(40):
        counted = np.sqrt(rng.poisson(np.abs(waves) ** 2)) * np.exp(1j * np.angle(waves))
        total = np.zeros(SHAPE, complex)
        place_patches(total, probe.conj() * inverse_far_field(counted), SCAN.positions)
        deviations.append(((total / light - truth) * np.exp(-1j * np.angle(truth)))[INNER])
    found = np.mean([(deviation.real**2 + deviation.imag**2) / 2 for deviation in deviations])
    # The root of a count below one varies by less than 1/4: in the dark part of the patterns.
    assert np.mean(NOISE[INNER]) == pytest.approx(found, rel=0.25)


def test_independent_and_common_parts_add_up() -> None:
    found = stitched_uncertainty(stitched(everywhere(2.0), everywhere(0.3), everywhere(0.5)), SCAN, (0.7, 1.5))
    assert found is not None
    noise = NOISE[INNER] * 4
    assert noise.max() < 0.01
    # Light, and so the noise, varies a little over the pixels that are pooled.
    np.testing.assert_allclose(found.amplitude[INNER], np.sqrt(0.09 / 4 + 0.49 * (0.09 - noise)), rtol=2e-3)
    np.testing.assert_allclose(found.phase[INNER], np.sqrt(0.25 / 4 + 2.25 * (0.25 - noise)) / 2, rtol=2e-3)


def test_a_spread_of_photon_noise_has_no_common_part() -> None:
    noise = np.sqrt(4 * NOISE).astype(np.float32)
    found = stitched_uncertainty(stitched(everywhere(1), noise, noise), SCAN, (10, 10))
    assert found is not None
    # Farther in than from where the bright noise of the border is pooled, two pixels wide.
    middle = np.s_[18:-18, 18:-18]
    np.testing.assert_allclose(found.amplitude[middle], np.sqrt(NOISE[middle]), rtol=0.1)


def test_patterns_that_are_not_photon_counts_have_no_noise_to_be_taken_off() -> None:
    dim = replace(SCAN, probe=(SCAN.probe * 1e-4).astype(np.complex64))
    found = stitched_uncertainty(stitched(everywhere(1), everywhere(0.3), everywhere(0.3)), dim, (1.0, 1.0))
    assert found is not None
    np.testing.assert_allclose(found.amplitude[INNER], np.sqrt(0.09 / 4 + 0.09), rtol=1e-4)


def test_unknown_spreads_are_those_of_the_neighbours_and_nothing_is_known_without_any() -> None:
    along = everywhere(0.3)
    along[20, 20] = np.nan
    found = stitched_uncertainty(stitched(everywhere(1), along, everywhere(9)), SCAN, (1.0, 1.0))
    assert found is not None
    assert found.amplitude[20, 20] == pytest.approx(found.amplitude[20, 23], rel=1e-3)
    # Nothing is known of such a phase, and no more than that.
    np.testing.assert_allclose(found.phase[INNER], NO_PHASE)
    nothing = stitched_uncertainty(stitched(everywhere(1), everywhere(np.nan), everywhere(np.nan), 1), SCAN)
    assert nothing is not None
    assert np.isnan(nothing.amplitude).all()
    assert np.isnan(nothing.phase).all()


def test_an_ensemble_adds_what_its_networks_differ_by_to_what_each_says_of_itself() -> None:
    rng, truth = np.random.default_rng(1), 0.8 * np.exp(0.3j) * np.ones(SHAPE)
    own = [Uncertainty(everywhere(amplitude), everywhere(0.05)) for amplitude in (0.01, 0.02, 0.03, 0.04)]

    def networks(uncertainties: list[Uncertainty | None]) -> list[Reconstruction]:
        errors = [rng.normal(0, 0.02, SHAPE) + 1j * rng.normal(0, 0.05, SHAPE) for _ in uncertainties]
        objects = [(truth + np.exp(0.3j) * error).astype(np.complex64) for error in errors]
        return [
            Reconstruction(obj, COVERAGE, uncertainty=said) for obj, said in zip(objects, uncertainties, strict=True)
        ]

    found = ensemble_uncertainty(networks([*own]), COVERAGE, SCAN)
    # The variance of one network, from 2,304 pixels with three degrees of freedom each; pooling loses the outermost.
    assert np.mean(found.amplitude**2) == pytest.approx(0.02**2 + 7.5e-4, rel=0.05)
    assert np.mean(found.phase**2) == pytest.approx((0.05 / 0.8) ** 2 + 0.05**2, rel=0.05)
    silent = ensemble_uncertainty(networks([None, None, None, own[0]]), COVERAGE, SCAN)
    assert np.mean(silent.amplitude[INNER] ** 2) == pytest.approx(0.02**2 + np.mean(NOISE[INNER]), rel=0.1)
    with pytest.raises(ValueError, match="two members"):
        ensemble_uncertainty(networks([own[0]]), COVERAGE, SCAN)
