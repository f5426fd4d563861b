"""Probes: analytic shapes, the measured one, and files."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
from pydantic import ValidationError

from ptycho_host.errors import DataError, InputError
from ptycho_host.physics.illumination import probe_diameter
from ptycho_simulators.probes import ProbeShape, make_probe


def test_the_default_is_a_disc_of_32_px_with_a_quadratic_phase():
    probe = make_probe(ProbeShape(), 64)
    expected = np.zeros((64, 64), dtype=complex)
    for y in range(64):
        for x in range(64):
            squared = (y - 32) ** 2 + (x - 32) ** 2
            if squared <= 16**2:
                expected[y, x] = np.exp(0.02j * squared)
    # Single precision.
    np.testing.assert_allclose(probe, expected, atol=1e-6)
    assert probe.dtype == np.complex64


def test_the_default_has_the_same_shape_at_every_size():
    np.testing.assert_allclose(make_probe(ProbeShape(), 128)[::2, ::2], make_probe(ProbeShape(), 64), atol=1e-6)


def test_a_gaussian_falls_to_1_over_e_squared_at_its_radius():
    intensity = np.abs(make_probe(ProbeShape(shape="gaussian", diameter=20, curvature=0), 64)) ** 2
    assert intensity[32, 32] == 1
    assert intensity[32, 42] == pytest.approx(np.exp(-2), rel=1e-6)
    assert intensity[22, 32] == pytest.approx(np.exp(-2), rel=1e-6)


def test_the_measured_probe_travels_with_its_notice():
    probe = make_probe(ProbeShape(shape="gold_balls"), 64)
    assert probe.dtype == np.complex64
    assert probe_diameter(probe) == pytest.approx(11.33, abs=0.01)
    notice = (resources.files("ptycho_simulators") / "data" / "gold_balls_probe_LICENSE.txt").read_text()
    assert "Massachusetts Institute of Technology" in notice
    assert "cxidb.org/id-65" in notice


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_probe_from_a_file(tmp_path, suffix):
    probe = make_probe(ProbeShape(shape="gaussian"), 32) * 7
    path = tmp_path / f"probe{suffix}"
    if suffix == ".npy":
        np.save(path, probe)
    else:
        np.savez(path, probeGuess=probe)
    np.testing.assert_array_equal(make_probe(ProbeShape(shape="file", file=path), 32), probe)


def test_a_probe_of_another_size_is_refused_with_a_remedy(tmp_path):
    np.save(tmp_path / "probe.npy", np.ones((32, 32), complex))
    with pytest.raises(DataError, match=r"32 px.*simulator\.pixels is 64.*simulator\.pixels=32"):
        make_probe(ProbeShape(shape="file", file=tmp_path / "probe.npy"), 64)
    with pytest.raises(DataError, match="gold_balls has 64 px"):
        make_probe(ProbeShape(shape="gold_balls"), 128)


@pytest.mark.parametrize(
    "array", [np.ones((2, 8, 8)), np.zeros((8, 8)), np.full((8, 8), np.nan), np.array([{}] * 64).reshape(8, 8)]
)
def test_an_unusable_probe_is_refused(tmp_path, array):
    np.save(tmp_path / "probe.npy", array)
    with pytest.raises(DataError, match=r"probe\.npy"):
        make_probe(ProbeShape(shape="file", file=tmp_path / "probe.npy"), 8)


def test_a_file_that_is_missing_or_lacks_the_probe_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"simulator\.probe\.file"):
        make_probe(ProbeShape(shape="file"), 8)
    with pytest.raises(DataError, match="nowhere"):
        make_probe(ProbeShape(shape="file", file=tmp_path / "nowhere.npy"), 8)
    np.savez(tmp_path / "other.npz", probe=np.ones((8, 8)))
    with pytest.raises(DataError, match="probeGuess"):
        make_probe(ProbeShape(shape="file", file=tmp_path / "other.npz"), 8)


def test_unknown_options_are_refused():
    with pytest.raises(ValidationError):
        ProbeShape(radius=3)
