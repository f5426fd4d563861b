"""Scans under a wider probe than that of the training, as a generator of whole scans is shown them."""

from __future__ import annotations

import numpy as np
import pytest

from ptycho_host import Host, simulate
from ptycho_host.configured import configure
from ptycho_host.contracts import Bundle, PatchShape, Reconstruction
from ptycho_host.data.scan import Scan
from ptycho_host.physics.illumination import probe_diameter
from ptycho_host.physics.intensity import IntensityScale
from ptycho_host.workflows.probe_width import as_in_training, canvas_shape, on_pixels_of

pytest.importorskip("ptycho_simulators")
pytest.importorskip("ptycho_contrib_fno")


@pytest.fixture(scope="module")
def scan() -> Scan:
    return simulate("lines", {"size": 96, "pixels": 48, "scan": {"step": 12}, "probe": {"diameter": 24}})


def trained_for(diameter: float | None, scan: Scan, generator: str = "unrolled_scan") -> Bundle:
    facts = {} if diameter is None else {"probe_diameter": diameter}
    configured = configure(Host.discover(), "generator", generator, {}, "torch")
    return Bundle(configured, {}, PatchShape(scan.pixels), IntensityScale.of(scan), facts)


def test_a_probe_twice_as_wide_is_seen_as_wide_as_in_training(scan: Scan) -> None:
    learnt = probe_diameter(scan.probe) / 2
    seen = as_in_training(trained_for(learnt, scan), scan)
    assert seen.pixels == 24
    np.testing.assert_allclose(seen.positions, scan.positions / 2)
    assert probe_diameter(seen.probe) == pytest.approx(learnt, rel=0.05)


@pytest.mark.parametrize("ratio", [0.3, 1.0, 1.4])
def test_other_probes_are_seen_as_they_are(ratio: float, scan: Scan) -> None:
    assert as_in_training(trained_for(probe_diameter(scan.probe) / ratio, scan), scan) is scan


@pytest.mark.parametrize(("diameter", "generator"), [(None, "unrolled_scan"), (5.0, "unrolled")])
def test_nobody_minds_where_widths_mean_nothing(diameter: float | None, generator: str, scan: Scan) -> None:
    bundle = trained_for(diameter, scan, generator)
    assert as_in_training(bundle, scan) is scan


@pytest.mark.parametrize("diameters", [1.5, 2.0, 3.1])
def test_what_was_made_comes_back_at_its_place(diameters: float, scan: Scan) -> None:
    seen = as_in_training(trained_for(probe_diameter(scan.probe) / diameters, scan), scan)
    scale = scan.pixels / seen.pixels

    def wave(shape: tuple[int, int], pixel: float) -> np.ndarray:
        y, x = (pixel * np.arange(side) for side in shape)
        return np.exp(2j * np.pi * (y[:, None] / 40 + x / 31)).astype(np.complex64)

    shape = canvas_shape(scan, seen)
    made = Reconstruction(wave(shape, scale), np.ones(shape, np.float32))
    found, expected = on_pixels_of(scan, seen, made).object, wave(scan.canvas_shape(), 1)
    inside = np.s_[10:-10, 10:-10]
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.01)


def test_the_canvas_of_coarse_pixels_reaches_the_last_one(scan: Scan) -> None:
    assert scan.canvas_shape() == (96, 96)
    seen = as_in_training(trained_for(probe_diameter(scan.probe) / 2, scan), scan)
    assert canvas_shape(scan, seen) == (49, 49)
    assert canvas_shape(scan, scan) == (96, 96)


def test_where_no_light_fell_none_comes_back(scan: Scan) -> None:
    seen = as_in_training(trained_for(probe_diameter(scan.probe) / 2, scan), scan)
    coverage = np.zeros((49, 49), np.float32)
    coverage[10:40, 10:40] = 1
    made = Reconstruction(np.where(coverage > 0, np.complex64(0.5 + 0.5j), np.complex64(0)), coverage)
    result = on_pixels_of(scan, seen, made)
    assert result.object.shape == result.coverage.shape == scan.canvas_shape()
    assert result.object.dtype == np.complex64
    assert result.coverage.dtype == np.float32
    lit = result.object != 0
    # Nothing of the step at the rim is in the object.
    np.testing.assert_allclose(result.object[lit], 0.5 + 0.5j, atol=1e-6)
    assert lit[22:78, 22:78].all()
    assert not lit[:14].any()
    (note,) = result.notes
    assert note.endswith("the network worked on pixels 2.0 times as large, and a refiner finds what is finer")
