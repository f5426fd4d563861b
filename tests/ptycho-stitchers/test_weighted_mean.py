"""Weighted means of patches: partition of unity, weights, coverage."""

from __future__ import annotations

import numpy as np
import pytest

from ptycho_host.contracts import Canvas, PatchBatch
from ptycho_host.errors import InputError
from ptycho_stitchers import grid, synchronised, weighted_mean

PIXELS = 16


def gaussian_probe(width=3.0):
    y, x = np.indices((PIXELS, PIXELS)) - PIXELS // 2
    return (1e5 * np.exp(-(y**2 + x**2) / (2 * width**2) + 0.1j * y)).astype(np.complex64)


def raster(side, step):
    axis = PIXELS / 2 + step * np.arange(side)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def stitch(stitcher, shape, positions, patches, probe=None):
    stitcher.begin(Canvas(shape, positions), gaussian_probe() if probe is None else probe)
    stitcher.add(PatchBatch(patches, positions))
    if stitcher.another_pass():
        stitcher.add(PatchBatch(patches, positions))
        assert not stitcher.another_pass()
    return stitcher.finish()


BUILDERS = [
    grid.build,
    weighted_mean.build_overlap,
    weighted_mean.build_probe_weighted,
    synchronised.build,
]


@pytest.mark.parametrize(
    ("build", "shift"), [(grid.build, 0.0)] + [(build, shift) for build in BUILDERS[1:] for shift in (0.0, 0.37)]
)
def test_constant_patches_make_a_constant_object(build, shift):
    positions = raster(10, 3) + shift
    result = stitch(build(), (48, 48), positions, np.full((100, PIXELS, PIXELS), 0.8, np.complex64))
    covered = result.coverage > 0
    assert covered[12:-12, 12:-12].all()
    # The quotient of equal sums, in single precision.
    np.testing.assert_allclose(result.object[covered], 0.8, atol=1e-4)
    assert not result.object[~covered].any()
    assert result.coverage.max() == 1
    assert result.coverage.min() >= 0
    assert (result.object.dtype, result.coverage.dtype) == (np.complex64, np.float32)


def test_probe_intensity_weighs_the_patches():
    positions = np.array([[20.0, 20.0], [20.0, 23.0]])
    patches = np.stack([np.full((PIXELS, PIXELS), 1), np.full((PIXELS, PIXELS), 3j)]).astype(np.complex64)
    result = stitch(weighted_mean.build_probe_weighted(), (40, 40), positions, patches)
    first = np.exp(-(((20 - 20) ** 2 + (21 - 20) ** 2) / 9))
    second = np.exp(-(((20 - 20) ** 2 + (21 - 23) ** 2) / 9))
    assert result.object[20, 21] == pytest.approx((first + 3j * second) / (first + second), rel=1e-5)
    peak = max(np.exp(-((x - 20) ** 2) / 9) + np.exp(-((x - 23) ** 2) / 9) for x in range(40))
    assert result.coverage[20, 21] == pytest.approx((first + second) / peak, rel=1e-5)


@pytest.mark.parametrize(("crop", "side"), [(0.5, 8), (0.25, 4), (1.0, 16), (0.01, 1)])
def test_overlap_averages_central_squares_only(crop, side):
    position = np.array([[20.0, 20.0]])
    patch = np.ones((1, PIXELS, PIXELS), np.complex64)
    result = stitch(weighted_mean.build_overlap(crop=crop), (40, 40), position, patch)
    first = 20 - PIXELS // 2 + (PIXELS - side) // 2
    expected = np.zeros((40, 40))
    expected[first : first + side, first : first + side] = 1
    np.testing.assert_array_equal(result.coverage, expected)


def test_overlap_is_the_plain_mean():
    rng = np.random.default_rng(0)
    positions = np.round(rng.uniform(12, 28, (30, 2)))
    patches = (rng.standard_normal((30, PIXELS, PIXELS, 2)) @ [1, 1j]).astype(np.complex64)
    result = stitch(weighted_mean.build_overlap(), (40, 40), positions, patches)
    total, count = np.zeros((40, 40), complex), np.zeros((40, 40))
    for (y, x), patch in zip(positions.astype(int), patches, strict=True):
        total[y - 4 : y + 4, x - 4 : x + 4] += patch[4:12, 4:12]
        count[y - 4 : y + 4, x - 4 : x + 4] += 1
    np.testing.assert_allclose(result.object, total / np.maximum(count, 1), atol=1e-5)


@pytest.mark.parametrize("build", BUILDERS[2:])
@pytest.mark.parametrize("value", [0, np.nan])
def test_a_probe_without_light_is_refused(build, value):
    with pytest.raises(InputError, match="probe"):
        build().begin(Canvas((40, 40), raster(3, 3)), np.full((PIXELS, PIXELS), value, np.complex64))


def test_patches_over_the_border_are_cut_off():
    positions = np.array([[0.0, 0.0], [40.0, 20.3]])
    patches = np.ones((2, PIXELS, PIXELS), np.complex64)
    result = stitch(weighted_mean.build_overlap(), (40, 40), positions, patches)
    assert result.object[0, 0] == 1
    assert result.object[39, 20] == pytest.approx(1)
