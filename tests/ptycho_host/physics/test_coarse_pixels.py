"""Scans and objects on coarser pixels, against waves that both kinds of pixels hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_host.data.scan import Scan
from ptycho_host.physics.coarse_pixels import coarser, coarser_shape, finer
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.patches import extract_patches

FINE, COARSE = 48, 32
SCALE = FINE / COARSE
POSITIONS = np.array([[30.0, 30.0], [42.0, 27.0], [33.0, 45.0]])
"""Whole pixels of both kinds, so that nothing is interpolated."""


def waves(shape: tuple[int, int], pixel: float, seed: int) -> NDArray[np.complex128]:
    """Plane waves of up to five periods a patch, sampled every `pixel`."""
    rng = np.random.default_rng(seed)
    y, x = (pixel * np.arange(side) / FINE for side in shape)
    total = np.zeros(shape, dtype=np.complex128)
    for _ in range(8):
        (v, u), factor = rng.integers(-5, 6, size=2), rng.normal() + 1j * rng.normal()
        total += factor * np.exp(2j * np.pi * (v * y[:, None] + u * x[None]))
    return total


@pytest.fixture
def scan() -> Scan:
    probe = waves((FINE, FINE), 1, seed=0)
    patches = extract_patches(waves((90, 90), 1, seed=1), POSITIONS, FINE)
    amplitudes = diffraction_amplitude(patches, probe).astype(np.float32)
    bad = np.zeros((FINE, FINE), dtype=bool)
    bad[FINE // 2, FINE // 2 + 3] = bad[0, 0] = True
    return Scan(amplitudes, POSITIONS, probe.astype(np.complex64), bad_pixels=bad)


def test_what_both_pixels_hold_diffracts_alike(scan: Scan) -> None:
    seen = coarser(scan, COARSE)
    patches = extract_patches(waves((60, 60), SCALE, seed=1), seen.positions, COARSE)
    expected = diffraction_amplitude(patches, seen.probe)
    found = seen.batch(np.array([0, 1, 2]))
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())


def test_counts_of_the_probe_stay_counts(scan: Scan) -> None:
    assert np.linalg.norm(coarser(scan, COARSE).probe) == pytest.approx(np.linalg.norm(scan.probe), rel=1e-5)


def test_zero_frequency_and_bad_pixels_stay_where_they_are(scan: Scan) -> None:
    lit = np.zeros((1, FINE, FINE), dtype=np.float32)
    lit[0, FINE // 2, FINE // 2] = 1
    seen = coarser(replace(scan, amplitudes=lit, positions=POSITIONS[:1]), COARSE)
    assert np.argwhere(seen.batch(slice(None))[0]).tolist() == [[COARSE // 2, COARSE // 2]]
    assert seen.bad_pixels is not None
    assert np.argwhere(seen.bad_pixels).tolist() == [[COARSE // 2, COARSE // 2 + 3]]


def test_patterns_are_read_only_when_asked_for(scan: Scan) -> None:
    asked: list[object] = []

    class Disk:
        shape = scan.amplitudes.shape

        def __getitem__(self, index: object, /) -> object:
            asked.append(index)
            return scan.amplitudes[index]

    seen = coarser(replace(scan, amplitudes=Disk()), COARSE)
    assert (seen.count, seen.pixels, asked) == (3, COARSE, [])
    assert seen.batch(slice(1, 3)).shape == (2, COARSE, COARSE)
    assert asked == [slice(1, 3)]


def test_finer_pixels_show_the_same_object() -> None:
    shape = (90, 81)
    coarse = waves(coarser_shape(shape, SCALE), SCALE, seed=2)
    found, expected = finer(coarse, SCALE, shape), waves(shape, 1, seed=2)
    inside = np.s_[8:-8, 8:-8]
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.02 * np.abs(expected).max())


@pytest.mark.parametrize(("side", "scale", "expected"), [(90, 1.0, 90), (91, 1.5, 61), (90, 1.5, 61), (1, 3.0, 1)])
def test_the_coarse_canvas_reaches_the_last_pixel(side: int, scale: float, expected: int) -> None:
    assert coarser_shape((side, side), scale) == (expected, expected)
