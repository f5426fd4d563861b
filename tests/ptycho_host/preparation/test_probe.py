"""Probes of another size or smoothness, against analytic ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal.windows import tukey

from ptycho_host.errors import DataError
from ptycho_host.preparation.probe import apodise_probe, replace_probe, resized, smooth_probe
from ptycho_host.testing.scans import simulated_scan

CURVATURE, PHASE = 0.004, 0.3


def gaussian(pixels: int, width: float, curvature: float = 0.0) -> np.ndarray:
    """A Gaussian around [N//2, N//2] with a quadratic phase."""
    line = np.arange(pixels) - pixels // 2
    squared = line**2 + line[:, None] ** 2
    return (np.exp(-squared / (2 * width**2)) * np.exp(1j * (curvature * squared + PHASE))).astype(np.complex64)


def energy(probe):
    return np.sum(np.abs(probe.astype(complex)) ** 2)


def test_smoothing_widens_a_gaussian_as_convolution_does():
    scan = replace(simulated_scan(32), probe=gaussian(32, 3.0))
    smooth = smooth_probe(sigma=2.0)(scan).probe
    due = gaussian(32, np.hypot(3.0, 2.0))
    # The kernel is cut off at four standard deviations and sampled: a thousandth of the peak.
    np.testing.assert_allclose(smooth / np.abs(smooth).max(), due / np.abs(due).max(), atol=2e-3)
    assert energy(smooth) == pytest.approx(energy(scan.probe), rel=1e-6)


def test_apodisation_falls_to_zero_and_keeps_the_energy():
    scan = replace(simulated_scan(32), probe=np.ones((32, 32), dtype=np.complex64))
    probe = apodise_probe(taper=0.5)(scan).probe
    window = np.outer(tukey(32, 0.5), tukey(32, 0.5))
    np.testing.assert_allclose(np.abs(probe) / np.abs(probe).max(), window, atol=1e-6)
    assert energy(probe) == pytest.approx(energy(scan.probe), rel=1e-6)


def test_padding_keeps_the_pixel_and_the_centre():
    probe = gaussian(32, 3.0, CURVATURE)
    np.testing.assert_allclose(resized(probe, 64, "pad"), gaussian(64, 3.0, CURVATURE), atol=1e-6)


@pytest.mark.parametrize("pixels", [64, 96, 20])
def test_splines_keep_the_field_and_the_centre(pixels):
    probe = gaussian(32, 5.0, CURVATURE)
    ratio = pixels / 32
    due = gaussian(pixels, 5.0 * ratio, CURVATURE / ratio**2)
    # The outermost half pixel lies beyond the old samples.
    inside = slice(2, -3)
    np.testing.assert_allclose(resized(probe, pixels, "spline")[inside, inside], due[inside, inside], atol=2e-3)


def test_extrapolation_continues_modulus_and_phase():
    # Wide enough to be cut off by the border; 8 radians there, so that the phase has to be unwrapped.
    probe = gaussian(32, 20.0, 0.02)
    wide = resized(probe, 48, "extrapolate")
    np.testing.assert_array_equal(wide[8:40, 8:40], probe)
    due = gaussian(48, 20.0, 0.02)
    np.testing.assert_allclose(wide / np.abs(wide), due / np.abs(due), atol=1e-3)
    np.testing.assert_allclose(np.abs(wide[0]), np.abs(wide[8]), rtol=1e-6)


def test_a_probe_from_a_file_takes_over_the_dose(tmp_path):
    scan = simulated_scan(32)
    np.savez(tmp_path / "probe.npz", probeGuess=gaussian(16, 1.5), other=np.arange(3))
    np.save(tmp_path / "probe.npy", gaussian(32, 1.5))
    padded = replace_probe(file=tmp_path / "probe.npz", resize="pad")(scan).probe
    same = replace_probe(file=tmp_path / "probe.npy")(scan).probe
    for probe in (padded, same):
        assert (probe.shape, probe.dtype) == ((32, 32), np.complex64)
        assert energy(probe) == pytest.approx(energy(scan.probe), rel=1e-6)
    np.testing.assert_allclose(padded, same, atol=1e-4 * np.abs(same).max())
    with pytest.raises(DataError, match=r"probe\.npz: probeGuess has shape \(16, 16\)"):
        replace_probe(file=tmp_path / "probe.npz")(scan)
    with pytest.raises(DataError, match="there is no file"):
        replace_probe(file=tmp_path / "none.npy")(scan)
    with pytest.raises(DataError, match="a probe of 32 pixels cannot be padded to 16"):
        resized(gaussian(32, 3.0), 16, "pad")
