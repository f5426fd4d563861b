"""Projection updates against what they must be where the answer is known."""

from __future__ import annotations

import numpy as np

from ptycho_host.physics.backprojection import back_projection
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.patches import extract_patches
from ptycho_host.physics.updates import projection_update
from ptycho_host.testing.scans import simulated_scan

SCAN = simulated_scan(32)
PROBE = SCAN.probe.astype(np.complex128) / np.sqrt(np.mean(np.abs(SCAN.amplitudes[:]) ** 2))
TRUTH = extract_patches(SCAN.truth.astype(np.complex128), SCAN.positions, 32)
AMPLITUDE = diffraction_amplitude(TRUTH, PROBE)


def test_an_object_that_explains_its_pattern_stays() -> None:
    # The floor under the intensity takes something from pixels as dark as itself.
    assert np.abs(projection_update(TRUTH, AMPLITUDE, PROBE)).max() < 1e-3


def test_from_a_uniform_object_it_is_the_back_projection() -> None:
    uniform = np.sqrt(np.sum(AMPLITUDE**2, axis=(-2, -1), keepdims=True) / np.sum(np.abs(PROBE) ** 2))
    start = np.broadcast_to(uniform, AMPLITUDE.shape).astype(np.complex128)
    found = start + projection_update(start, AMPLITUDE, PROBE)
    np.testing.assert_allclose(found, back_projection(AMPLITUDE, PROBE), atol=2e-2)


def test_a_bad_pixel_asks_for_nothing() -> None:
    bad = np.zeros((32, 32), dtype=bool)
    bad[5, 7] = True
    spoilt = AMPLITUDE.copy()
    spoilt[:, 5, 7] += 10
    assert np.abs(projection_update(TRUTH, spoilt, PROBE, bad)).max() < 1e-3
    assert np.abs(projection_update(TRUTH, spoilt, PROBE)).max() > 1e-2
