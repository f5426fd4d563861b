"""The region is the rectangle that the scan lit."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_host.data.scan import Scan
from ptycho_host.errors import DataError
from ptycho_host.metrics.region import Region, covered_pixels, covered_region, largest_rectangle


def brute_force_area(mask: NDArray[np.bool_]) -> int:
    """Area of the largest rectangle by trying every one."""
    height, width = mask.shape
    best = 0
    for top in range(height):
        for bottom in range(top + 1, height + 1):
            for left in range(width):
                for right in range(left + 1, width + 1):
                    if mask[top:bottom, left:right].all():
                        best = max(best, (bottom - top) * (right - left))
    return best


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("density", [0.5, 0.8, 0.95])
def test_largest_rectangle_beats_every_other(seed: int, density: float) -> None:
    mask = np.random.default_rng(seed).random((7, 9)) < density
    region = largest_rectangle(mask)
    assert mask[region.slices].all()
    assert np.prod(region.shape) == brute_force_area(mask)


def raster(step: float, shape: tuple[int, int] = (256, 256)) -> Scan:
    """A raster with 64-pixel patches wholly inside the object, under a disc of diameter 32 pixels."""
    offset = np.arange(64) - 32
    probe = (np.hypot(offset[:, None], offset[None, :]) < 16).astype(np.complex64)
    line = np.arange(32, shape[0] - 31, step)
    positions = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    return Scan(np.zeros((len(positions), 64, 64), np.float32), positions, probe, truth=np.ones(shape, np.complex64))


@pytest.mark.parametrize("step", [4, 8, 16])
def test_raster_gives_the_rectangle_that_is_lit_everywhere(step: int) -> None:
    scan = raster(step)
    covered = covered_pixels(scan)
    region = covered_region(covered)
    assert covered[region.slices].all()
    # Disc edges reach from 16 to 240; their scalloped rim costs less than 12 pixels a side (a third of a disc).
    for start, stop in (region.rows, region.columns):
        assert 15 < start < 28
        assert 228 < stop <= 241


def test_holes_of_a_sparse_raster_do_not_cut_the_region() -> None:
    scan = raster(24)
    covered = covered_pixels(scan)
    region = covered_region(covered)
    # Discs 24 px apart leave holes where four of them meet: the holes stay in the region, uncovered.
    assert not covered[region.slices].all()
    assert covered[region.slices].mean() > 0.98
    assert min(region.shape) > 200


def test_region_cuts_and_writes_itself() -> None:
    region = Region((2, 5), (1, 7))
    assert np.zeros((9, 9))[region.slices].shape == region.shape == (3, 6)
    assert region.as_json() == {"rows": [2, 5], "columns": [1, 7]}
    assert Region.whole((4, 6)).shape == (4, 6)


def test_nothing_lit_is_an_error() -> None:
    with pytest.raises(DataError, match="no pixel"):
        covered_region(np.zeros((8, 8), dtype=np.bool_))
