"""Bad pixels: what stands in for them, and that neither scale nor agreement is fooled by them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ptycho_host.data.scan import Scan
from ptycho_host.errors import DataError
from ptycho_host.metrics.diffraction import diffraction_agreement, patch_agreement
from ptycho_host.physics.backprojection import back_projection
from ptycho_host.physics.bad_pixels import filled
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.intensity import IntensityScale
from ptycho_host.physics.patches import extract_patches
from ptycho_host.testing.scans import disc_probe, simulated_scan


def masked(scan: Scan, value: float = 1e4) -> Scan:
    """The scan with a dead beam stop, the brightest 3 x 3 pixels, and a hot column."""
    bad = np.zeros((scan.pixels, scan.pixels), dtype=bool)
    middle = scan.pixels // 2
    bad[middle - 1 : middle + 2, middle - 1 : middle + 2] = True
    bad[:, 3] = True
    amplitudes = np.where(bad, value, scan.batch(slice(None))).astype(np.float32)
    amplitudes[:, middle, middle] = 0
    return replace(scan, amplitudes=amplitudes, bad_pixels=bad)


def uniform_scan(transmission: float) -> Scan:
    probe = disc_probe(16) * 100
    amplitude = diffraction_amplitude(np.full((5, 16, 16), transmission, dtype=np.complex64), probe)
    return Scan(amplitude.astype(np.float32), np.full((5, 2), 8.0), probe.astype(np.complex64))


def test_behind_a_uniform_object_the_filling_is_what_was_lost():
    scan = uniform_scan(0.7)
    again = filled(masked(scan))
    # Single precision of the brightest pixel.
    np.testing.assert_allclose(again.batch(slice(None)), scan.batch(slice(None)), atol=1e-6 * 560, rtol=0)
    assert IntensityScale.of(again).transmission == pytest.approx(0.7, rel=1e-6)
    initial = back_projection(again.batch(slice(None)), scan.probe)
    np.testing.assert_allclose(initial, 0.7, atol=1e-5)


def test_what_bad_pixels_hold_changes_nothing():
    scan = simulated_scan(16)
    one, other = (filled(masked(scan, value)) for value in (0.0, 1e6))
    np.testing.assert_array_equal(one.batch(slice(None)), other.batch(slice(None)))
    assert IntensityScale.of(one) == IntensityScale.of(other)
    for form in (masked(scan, 1e6), other):
        assert diffraction_agreement(scan.truth, form) == diffraction_agreement(scan.truth, masked(scan, 0.0))


def test_the_scale_of_a_structured_object_hardly_moves():
    scan = simulated_scan(32)
    bad = np.zeros((32, 32), dtype=bool)
    bad[:, 18] = bad[5:9, 20] = True
    hot = replace(scan, amplitudes=np.where(bad, 1e4, scan.batch(slice(None))).astype(np.float32), bad_pixels=bad)
    due = IntensityScale.of(scan).transmission
    # The mask hides a twentieth of the photons; the probe alone tells them to a third.
    assert IntensityScale.of(filled(hot)).transmission == pytest.approx(due, rel=0.02)
    assert IntensityScale.of(hot).transmission > 50 * due


def test_behind_a_beam_stop_the_scale_is_still_of_the_right_size():
    scan = simulated_scan(32)
    # Two thirds of the photons are hidden, and what is left was scattered by the object.
    due = IntensityScale.of(scan).transmission
    assert due < IntensityScale.of(filled(masked(scan))).transmission < 2 * due


def test_the_agreement_is_that_over_the_good_pixels():
    scan = simulated_scan(16)
    bad = masked(scan).bad_pixels
    predicted = diffraction_amplitude(extract_patches(scan.truth, scan.positions, 16), scan.probe)
    a, b = predicted[:, ~bad].astype(float), scan.batch(slice(None))[:, ~bad].astype(float)
    found = diffraction_agreement(scan.truth, masked(scan))
    assert found.r_factor == pytest.approx(np.abs(a - b).sum() / b.sum(), rel=1e-6)
    patches = extract_patches(scan.truth, scan.positions, 16)
    again = patch_agreement([(patches, masked(scan).batch(slice(None)))], scan.probe, bad)
    assert again.residual == pytest.approx(found.residual, rel=1e-6)


def test_filling_is_lazy_and_done_once():
    scan = masked(simulated_scan(16))
    once = filled(scan)
    assert filled(once) is once
    assert filled(replace(scan, bad_pixels=None)).amplitudes is scan.amplitudes
    np.testing.assert_array_equal(once.subset(np.array([3, 1])).batch(slice(None)), once.batch(np.array([3, 1])))


def test_a_mask_that_leaves_no_light_is_refused():
    scan = uniform_scan(1.0)
    bad = np.abs(diffraction_amplitude(np.ones((16, 16)), scan.probe)) > 0
    with pytest.raises(DataError, match="sends nothing to the good pixels"):
        filled(replace(scan, bad_pixels=bad))
