"""Tiles of a raster scan."""

from __future__ import annotations

import numpy as np
import pytest

from ptycho_host.contracts import Canvas, PatchBatch
from ptycho_host.errors import InputError
from ptycho_host.physics.patches import extract_patches
from ptycho_stitchers import grid


def stitch(obj, positions, pixels):
    stitcher = grid.build()
    stitcher.begin(Canvas(obj.shape, positions), np.ones((pixels, pixels), np.complex64))
    patches = extract_patches(obj, positions, pixels)
    for first in range(0, len(positions), 7):
        stitcher.add(PatchBatch(patches[first : first + 7], positions[first : first + 7]))
    assert not stitcher.another_pass()
    return stitcher.finish()


def raster(first, steps, counts):
    axes = (start + step * np.arange(count) for start, step, count in zip(first, steps, counts, strict=True))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)


def known_object(shape):
    return (np.random.default_rng(0).standard_normal((*shape, 2)) @ [1, 1j]).astype(np.complex64)


@pytest.mark.parametrize("pixels", [16, 17])
@pytest.mark.parametrize("steps", [(5, 4), (1, 16)])
def test_tiles_lie_side_by_side_without_gap_or_overlap(pixels, steps):
    obj = known_object((60, 80))
    positions = raster((pixels / 2 + 1, pixels / 2 + 3), steps, (6, 4))
    result = stitch(obj, positions, pixels)
    laid = result.coverage > 0
    np.testing.assert_array_equal(result.object[laid], obj[laid])
    assert laid.sum() == 6 * steps[0] * 4 * steps[1]
    top, left = (start + -(-(pixels - step) // 2) for start, step in zip((1, 3), steps, strict=True))
    assert laid[top : top + 6 * steps[0], left : left + 4 * steps[1]].all()


def test_missing_patches_leave_their_tiles_empty():
    obj = known_object((60, 60))
    positions = np.delete(raster((8, 8), (4, 4), (5, 5)), [7, 12], axis=0)
    assert np.count_nonzero(stitch(obj, positions, 16).coverage) == 23 * 16


def test_a_single_row_keeps_the_height_of_its_patches():
    obj = known_object((40, 60))
    result = stitch(obj, raster((10, 8), (1, 4), (1, 5)), 16)
    assert np.count_nonzero(result.coverage) == 16 * 20


@pytest.mark.parametrize(
    "positions",
    [
        raster((8, 8), (4, 4), (5, 5)) + 0.25,
        raster((8, 8), (4.5, 4), (5, 5)),
        raster((8, 8), (17, 4), (3, 3)),
        np.array([[8.0, 8.0], [8.0, 12.0], [8.0, 17.0]]),
    ],
)
def test_what_is_no_raster_is_refused_with_a_remedy(positions):
    with pytest.raises(InputError, match="synchronised"):
        grid.build().begin(Canvas((80, 80), positions), np.ones((16, 16), np.complex64))
