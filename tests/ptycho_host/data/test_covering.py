"""Thinning of dense scans: as far apart as asked, to the edges, and only where it pays."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from ptycho_host.data.covering import covering


def raster(count: int, step: float) -> np.ndarray:
    axis = 40 + step * np.arange(count)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def test_a_dense_raster_is_thinned_from_edge_to_edge() -> None:
    positions = raster(42, 8)
    chosen = positions[covering(positions, 16)]
    # 328 px hold 21 intervals of at most 16 px.
    assert len(chosen) == 22**2
    np.testing.assert_array_equal([chosen.min(axis=0), chosen.max(axis=0)], [[40, 40], [368, 368]])
    # On the raster a point of the lattice is at most half a step away along each axis, so neighbours are within 16 + 8.
    assert cKDTree(chosen).query(positions)[0].max() <= np.hypot(12, 12)


def test_no_place_of_an_irregular_scan_is_left_out() -> None:
    positions = np.random.default_rng(0).uniform(0, 200, (4000, 2))
    chosen = positions[covering(positions, 20)]
    assert len(chosen) <= 11**2
    # Half a diagonal of the lattice, and what the nearest position is away from its point.
    assert cKDTree(chosen).query(positions)[0].max() < 20


def test_a_sparse_scan_stays_whole() -> None:
    positions = raster(21, 16)
    np.testing.assert_array_equal(covering(positions, 16), np.arange(21**2))
    np.testing.assert_array_equal(covering(positions[:1], 16), [0])


def test_a_line_of_positions_is_thinned_along_itself() -> None:
    positions = np.stack([np.full(101, 7.0), np.arange(101.0)], axis=-1)
    np.testing.assert_array_equal(covering(positions, 10), np.arange(0, 101, 10))
