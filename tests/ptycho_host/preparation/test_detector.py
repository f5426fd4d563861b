"""After cropping and binning, probe, positions and object still explain the patterns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ptycho_host.data.embedded import siemens_star
from ptycho_host.data.scan import ExperimentGeometry, Scan
from ptycho_host.errors import DataError
from ptycho_host.metrics.diffraction import diffraction_agreement
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.intensity import IntensityScale
from ptycho_host.physics.patches import extract_patches
from ptycho_host.preparation.detector import bin_pixels, crop

N = 64


def gaussian_scan() -> Scan:
    """Gaussian probe of 3 pixels and a smooth object: nothing of the wave reaches the detector's rim."""
    line = np.arange(N) - N // 2
    # Off the axis and tilted, so that nothing is symmetric.
    probe = 100 * np.exp(-((line - 2) ** 2 + (line[:, None] + 3) ** 2) / 18 + 0.2j * line[:, None])
    rows, columns = np.mgrid[:120, :110] / 9.0
    obj = (0.8 + 0.15 * np.sin(rows) * np.cos(columns)) * np.exp(0.5j * np.cos(rows + 0.7 * columns))
    rng = np.random.default_rng(3)
    positions = rng.uniform(N / 2 + 1, [120 - N / 2 - 1, 110 - N / 2 - 1], (12, 2))
    amplitudes = diffraction_amplitude(extract_patches(obj, positions, N), probe).astype(np.float32)
    geometry = ExperimentGeometry((2e-8, 1e-8), 8000.0, 2.0)
    return Scan(amplitudes, positions, probe.astype(np.complex64), truth=obj.astype(np.complex64), geometry=geometry)


def test_a_cropped_scan_is_the_same_experiment():
    scan = gaussian_scan()
    cropped = crop(pixels=32)(scan)
    assert (cropped.pixels, cropped.canvas_shape()) == (32, (60, 55))
    np.testing.assert_allclose(cropped.positions, scan.positions / 2)
    assert cropped.geometry == ExperimentGeometry((4e-8, 2e-8), 8000.0, 2.0)
    # Cubic interpolation at sub-pixel positions of twice the size leaves 0.3 %.
    agreement = diffraction_agreement(cropped.truth, cropped)
    assert agreement.correlation > 0.99999
    assert agreement.r_factor < 0.01


def test_any_even_size_will_do():
    cropped = crop(pixels=50)(gaussian_scan())
    assert cropped.canvas_shape() == (94, 86)
    assert diffraction_agreement(cropped.truth, cropped).r_factor < 0.01


def test_a_shift_of_the_cropped_positions_would_show():
    cropped = crop(pixels=32)(gaussian_scan())
    beside = replace(cropped, positions=cropped.positions + np.array([0.25, 0]))
    found, other = (diffraction_agreement(cropped.truth, scan).r_factor for scan in (cropped, beside))
    assert other > 3 * found


@pytest.mark.parametrize("factor", [2, 4])
def test_a_binned_scan_is_the_same_experiment(factor):
    scan = gaussian_scan()
    binned = bin_pixels(factor=factor)(scan)
    assert (binned.pixels, binned.canvas_shape()) == (N // factor, scan.canvas_shape())
    assert (binned.positions is scan.positions, binned.geometry) == (True, scan.geometry)
    counts = np.square(scan.amplitudes, dtype=float).sum(axis=(1, 2))
    np.testing.assert_allclose(np.square(binned.batch(slice(None)), dtype=float).sum(axis=(1, 2)), counts, rtol=1e-5)
    # A bin averages over frequencies: that is not what its centre has, but nearly.
    agreement = diffraction_agreement(binned.truth, binned)
    assert agreement.correlation > (0.9995 if factor == 2 else 0.99)
    # Without the linear phase of the bins' centres the prediction lies (factor - 1)/(2 factor) pixels beside.
    window = slice(N // 2 - N // factor // 2, N // 2 + N // factor // 2)
    plain = replace(binned, probe=scan.probe[window, window])
    assert diffraction_agreement(plain.truth, plain).residual > 4 * agreement.residual


def test_the_measured_star_stays_explained():
    scan = siemens_star()()
    before = diffraction_agreement(scan.reference, scan).correlation
    cropped = crop(pixels=48)(scan)
    # Cropping leaves out weak, noisy pixels; the object and the probe lose what only those told.
    assert diffraction_agreement(cropped.reference, cropped).correlation > before - 0.003
    beside = replace(cropped, positions=cropped.positions + np.array([0.5, 0]))
    assert diffraction_agreement(beside.reference, beside).correlation < before - 0.003


def test_the_scale_goes_along():
    scan = gaussian_scan()
    for step in (crop(pixels=32), bin_pixels(factor=2)):
        # The transmission is that of the object, whatever the detector.
        due = IntensityScale.of(scan).transmission
        assert IntensityScale.of(step(scan)).transmission == pytest.approx(due, rel=1e-3)


def test_bad_pixels_go_along():
    scan = gaussian_scan()
    bad = np.zeros((N, N), dtype=bool)
    bad[31, 40] = bad[2, 2] = True
    scan = replace(scan, bad_pixels=bad)
    cropped = crop(pixels=32)(scan).bad_pixels
    assert np.argwhere(cropped).tolist() == [[15, 24]]
    assert np.argwhere(bin_pixels(factor=4)(scan).bad_pixels).tolist() == [[0, 0], [7, 10]]


def test_patterns_are_read_only_when_asked_for():
    class Source:
        shape = (12, N, N)

        def __getitem__(self, index):
            raise AssertionError("read too early")

    scan = replace(gaussian_scan(), amplitudes=Source())
    assert bin_pixels(factor=2)(crop(pixels=48)(scan)).pixels == 24


def test_what_cannot_be_is_refused():
    scan = gaussian_scan()
    with pytest.raises(DataError, match="cannot be cropped to 128"):
        crop(pixels=128)(scan)
    with pytest.raises(DataError, match=r"binning by 3 does not turn into an even number"):
        bin_pixels(factor=3)(scan)
    wide = replace(scan, probe=np.ones((N, N), dtype=np.complex64))
    with pytest.raises(DataError, match=r"75% of the probe lies outside the central 32 pixels"):
        bin_pixels(factor=2)(wide)
