"""The one scale: unit root mean square, its tie to the probe, and the way back to physical units."""

from __future__ import annotations

import numpy as np
import pytest

from ptycho_host.data.scan import Scan
from ptycho_host.errors import DataError
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.intensity import PIXEL_BYTES, IntensityScale

N, COUNT = 16, 11


def random_complex(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)


def scan_of(amplitudes, probe):
    return Scan(amplitudes, np.full((len(amplitudes), 2), N / 2), probe)


@pytest.fixture
def patches():
    return 0.7 * random_complex(COUNT, N, N)


@pytest.fixture
def scan(patches):
    probe = 40 * random_complex(N, N, seed=1)
    return scan_of(diffraction_amplitude(patches, probe), probe)


def test_model_amplitudes_have_unit_root_mean_square(scan):
    amplitude = IntensityScale.of(scan).model_amplitude(scan.batch(slice(None)))
    assert amplitude.dtype == np.float32
    # Single precision of the result; the sum is taken in double precision.
    assert np.sqrt(np.mean(amplitude.astype(np.float64) ** 2)) == pytest.approx(1, rel=1e-6)


def test_amplitude_and_transmission_are_tied_by_the_probe(scan):
    scale = IntensityScale.of(scan)
    norm = np.linalg.norm(scan.probe.astype(complex))
    assert scale.amplitude == pytest.approx(scale.transmission * norm / N, rel=1e-12)


def test_transmission_is_the_modulus_of_a_uniform_object():
    probe = random_complex(N, N)
    uniform = np.full((5, N, N), 0.6 * np.exp(2j), dtype=complex)
    scale = IntensityScale.of(scan_of(diffraction_amplitude(uniform, probe), probe))
    # Amplitudes are read in single precision.
    assert scale.transmission == pytest.approx(0.6, rel=1e-6)


@pytest.mark.parametrize("batch", [1, 4, 11, 1000])
def test_batches_do_not_matter(scan, batch, monkeypatch):
    due = IntensityScale.of(scan).amplitude
    monkeypatch.setattr("ptycho_host.data.patterns.BLOCK", batch * PIXEL_BYTES * N**2)
    assert IntensityScale.of(scan).amplitude == pytest.approx(due, rel=1e-12)


def test_model_probe_and_model_object_make_model_amplitudes(scan, patches):
    scale = IntensityScale.of(scan)
    made = diffraction_amplitude(scale.model_object(patches), scale.model_probe(scan.probe))
    np.testing.assert_allclose(made, scan.batch(slice(None)) / scale.amplitude, atol=1e-5)
    assert np.linalg.norm(scale.model_probe(scan.probe)) == pytest.approx(N, rel=1e-6)


def test_the_physical_object_explains_the_measurement(scan, patches):
    scale = IntensityScale.of(scan)
    physical = scale.physical_object(scale.model_object(patches))
    assert physical.dtype == np.complex64
    np.testing.assert_allclose(physical, patches, rtol=1e-6)


@pytest.mark.parametrize("brighter", [1e-2, 1.0, 300.0])
def test_another_dose_keeps_the_model_units(scan, patches, brighter):
    scale = IntensityScale.of(scan)
    probe = (np.sqrt(brighter) * scan.probe).astype(np.complex64)
    other = scale.for_probe(probe)
    assert other.transmission == scale.transmission
    measured = diffraction_amplitude(patches, probe)
    np.testing.assert_allclose(
        other.model_amplitude(measured), scale.model_amplitude(scan.batch(slice(None))), atol=1e-5
    )
    np.testing.assert_allclose(other.model_probe(probe), scale.model_probe(scan.probe), atol=1e-6)


def test_detector_integers_do_not_overflow():
    # 300^2 does not fit into 16 bits: cast before squaring, it would wrap around to 24,464.
    amplitudes = np.full((3, N, N), 300, dtype=np.uint16)
    scale = IntensityScale.of(scan_of(amplitudes, random_complex(N, N)))
    assert scale.amplitude == pytest.approx(300, rel=1e-12)
    np.testing.assert_allclose(scale.model_amplitude(amplitudes), 1, rtol=1e-7)


def test_many_bright_patterns_do_not_lose_faint_ones():
    amplitudes = np.full((2000, N, N), 1.0, dtype=np.float32)
    amplitudes[0] = 1e5
    scale = IntensityScale.of(scan_of(amplitudes, random_complex(N, N)))
    assert scale.amplitude == pytest.approx(np.sqrt((1e10 + 1999) / 2000), rel=1e-12)


def test_empty_patterns_and_a_zero_probe_are_refused_by_name():
    probe = random_complex(N, N)
    with pytest.raises(DataError, match=r"scan 'scan': all patterns are empty.*check the file"):
        IntensityScale.of(scan_of(np.zeros((2, N, N), dtype=np.float32), probe))
    with pytest.raises(DataError, match=r"probeGuess is zero.*check the file"):
        IntensityScale.of(scan_of(np.ones((2, N, N), dtype=np.float32), 0 * probe))


@pytest.mark.parametrize("values", [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (np.nan, 1.0), (1.0, np.inf)])
def test_a_scale_must_be_positive_and_finite(values):
    with pytest.raises(DataError, match="positive and finite"):
        IntensityScale(*values)
