"""The figures of a scan, and each suspicion where there is a reason for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ptycho_host.data.embedded import siemens_star
from ptycho_host.data.scan import Scan
from ptycho_host.metrics.scan_summary import summarise
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.illumination import disc_overlap

N, STEP, RADIUS = 32, 4.0, 6.0


@pytest.fixture
def scan():
    """A raster over a transparent object under a flat disc: every figure is known."""
    y, x = np.mgrid[:N, :N] - N / 2
    probe = np.where(y**2 + x**2 < RADIUS**2, 50, 0).astype(np.complex64)
    amplitude = diffraction_amplitude(np.ones((N, N), dtype=np.complex64), probe)
    rows, columns = np.mgrid[:5, :6] * STEP + N / 2
    positions = np.stack([rows.ravel(), columns.ravel()], axis=1)
    return Scan(np.repeat(amplitude[None], 30, axis=0), positions, probe, truth=np.ones((50, 60), dtype=np.complex64))


def with_patterns(scan, change):
    amplitudes = np.array(scan.amplitudes)
    change(amplitudes)
    return replace(scan, amplitudes=amplitudes)


def test_the_figures_of_a_known_scan(scan):
    summary = summarise(scan, batch=7)
    lit = np.count_nonzero(scan.probe)
    # Single precision of amplitudes and probe.
    assert summary.photons == pytest.approx(2500 * lit, rel=1e-6)
    # All waves in phase: the central pixel holds |sum P|^2 / N^2.
    assert summary.brightest == pytest.approx((50 * lit / N) ** 2, rel=1e-6)
    assert summary.scale == pytest.approx(1, rel=1e-6)
    assert summary.probe_diameter == pytest.approx(2 * np.sqrt(lit / np.pi), rel=1e-6)
    assert summary.overlap == pytest.approx(disc_overlap(STEP, summary.probe_diameter))
    assert (summary.patterns, summary.pixels, summary.step, summary.canvas) == (30, N, STEP, (50, 60))
    assert (summary.known_object, summary.suspicions) == ("truth", ())


def test_what_is_known_of_the_object(scan):
    assert summarise(replace(scan, truth=None, reference=scan.truth)).known_object == "reference"
    assert summarise(replace(scan, truth=None)).known_object == "none"


def faint(scan):
    return with_patterns(scan, lambda a: a.__setitem__([3, 8], a[3] / 11))


def dead_pixels(scan):
    return with_patterns(scan, lambda a: a.__setitem__((slice(None), 4, slice(3, 6)), 0))


def saturated(scan):
    return with_patterns(scan, lambda a: np.minimum(a, 120, out=a))


def unshifted(scan):
    return with_patterns(scan, lambda a: a.__setitem__(..., np.fft.ifftshift(a, axes=(1, 2))))


def unshifted_without_object(scan):
    return replace(unshifted(scan), truth=None)


def hot(scan):
    # Without an object: a hot pixel of this size spoils the agreement with it.
    return replace(with_patterns(scan, lambda a: a.__setitem__((slice(None), 28, 4), 70)), truth=None)


def empty(scan):
    return with_patterns(scan, lambda a: a.__setitem__([3, 8], 0))


def repeated(scan):
    return replace(scan, positions=np.concatenate([scan.positions[1:2], scan.positions[1:]]))


def off_the_canvas(scan):
    return replace(scan, positions=scan.positions - [[0, 3]] * (np.arange(30) == 0)[:, None])


def probe_off_scale(scan):
    return replace(scan, probe=3 * scan.probe)


def sparse(scan):
    return replace(scan, positions=2 * scan.positions, truth=None)


def coinciding(scan):
    return replace(scan, positions=np.full((30, 2), 16.0))


SUSPICIONS = [
    (faint, "2 patterns have less than 1 % of the median counts"),
    (dead_pixels, "3 detector pixels never saw a photon"),
    (saturated, "share the largest count 14400: saturated?"),
    (unshifted, "the zero frequency is in the corner; read with zero_frequency=corner"),
    (unshifted_without_object, "is the zero frequency in the corner?"),
    (hot, "1 detector pixels are far brighter than all around them"),
    (empty, "2 patterns are empty: drop them with --set data.reader.empty=drop"),
    (repeated, "1 positions occur more than once"),
    (off_the_canvas, "1 patches reach beyond the object's canvas"),
    (probe_off_scale, "sum |probe|^2 is 9 times the mean counts"),
    (sparse, "neighbouring probes overlap by 21%"),
    (coinciding, "positions coincide"),
]


@pytest.mark.parametrize(("change", "words"), SUSPICIONS, ids=lambda value: getattr(value, "__name__", ""))
def test_each_suspicion_is_raised_alone_where_it_is_due(scan, change, words):
    (found,) = summarise(change(scan)).suspicions
    assert words in found


def test_a_probe_too_weak_is_off_scale_too(scan):
    (found,) = summarise(replace(scan, probe=scan.probe / 2)).suspicions
    assert "sum |probe|^2 is 0.25 times" in found


def test_a_single_pattern_coincides_with_nothing(scan):
    assert summarise(scan.subset(np.array([0]))).suspicions == ()


def test_the_measured_scan_is_above_suspicion():
    assert summarise(siemens_star()()).suspicions == ()
