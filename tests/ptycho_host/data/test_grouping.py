"""Groups of neighbours and the held-out part of a scan."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from ptycho_host.data.grouping import Lattice, draw_groups, hold_out


def raster(side: int, step: float) -> np.ndarray:
    line = step * np.arange(side)
    return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)


def scattered(count: int, extent: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, extent, size=(count, 2))


def neighbour_groups(positions: np.ndarray, size: int, spacing: float, rng: np.random.Generator) -> np.ndarray:
    """An epoch of groups that holds every pattern once, as a rule."""
    return draw_groups(Lattice(spacing), positions, size, len(positions) // size, rng)


SCANS = {"raster": raster(12, 6.0), "scattered": scattered(150, 80.0), "line": np.c_[np.zeros(40), np.arange(40.0)]}


@pytest.mark.parametrize("positions", SCANS.values(), ids=SCANS)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 9])
def test_members_of_a_group_are_distinct_patterns_of_the_scan(positions: np.ndarray, size: int) -> None:
    groups = neighbour_groups(positions, size, 12.0, np.random.default_rng(1))
    assert groups.shape == (len(positions) // size, size)
    assert groups.min() >= 0
    assert groups.max() < len(positions)
    assert all(len(set(group)) == size for group in groups.tolist())


@pytest.mark.parametrize("positions", SCANS.values(), ids=SCANS)
def test_every_group_has_another_anchor(positions: np.ndarray) -> None:
    anchors = neighbour_groups(positions, 4, 12.0, np.random.default_rng(1))[:, 0]
    assert len(set(anchors.tolist())) == len(anchors)


def test_groups_of_one_visit_every_pattern_once() -> None:
    groups = neighbour_groups(SCANS["scattered"], 1, 12.0, np.random.default_rng(1))
    assert sorted(groups[:, 0].tolist()) == list(range(150))


def test_over_many_epochs_every_pattern_is_seen_about_equally_often() -> None:
    rng = np.random.default_rng(2)
    positions = raster(12, 6.0)
    seen = sum(
        np.bincount(neighbour_groups(positions, 4, 12.0, rng).ravel(), minlength=len(positions)) for _ in range(200)
    )
    # Inside the scan the expected number is 200; at its rim other patterns stand in for missing neighbours.
    assert seen.min() > 100
    assert seen.max() < 500


def test_members_lie_a_spacing_away_from_the_anchor() -> None:
    """In a dense scan a pattern lies within a step of every target: sides are one spacing, the diagonal sqrt 2."""
    positions = raster(60, 1.0)
    groups = neighbour_groups(positions, 4, 10.0, np.random.default_rng(3))
    anchor, one, two, opposite = np.moveaxis(positions[groups], 1, 0)
    inside = np.all((anchor > 16) & (anchor < 43), axis=1)
    # Rounding to the raster moves a member by at most half a diagonal of a cell, sqrt(1/2).
    for member, distance in ((one, 10.0), (two, 10.0), (opposite, 10.0 * np.sqrt(2))):
        found = np.linalg.norm(member - anchor, axis=1)[inside]
        np.testing.assert_allclose(found, distance, atol=np.sqrt(0.5) + 1e-9)
    sides = np.abs(np.sum((one - anchor) * (two - anchor), axis=1)[inside]) / 100
    assert sides.max() < 0.2, "the two sides of the cell stand at right angles"


def test_the_cell_is_turned_from_group_to_group() -> None:
    positions = raster(60, 1.0)
    groups = neighbour_groups(positions, 2, 10.0, np.random.default_rng(3))
    side = positions[groups[:, 1]] - positions[groups[:, 0]]
    angle = np.arctan2(side[:, 0], side[:, 1])
    assert np.all(np.histogram(angle, bins=8, range=(-np.pi, np.pi))[0] > 0)


def test_a_sparse_scan_falls_back_to_nearest_neighbours() -> None:
    """With a step of four spacings every target's nearest pattern is the anchor itself."""
    positions = raster(9, 40.0)
    groups = neighbour_groups(positions, 3, 10.0, np.random.default_rng(4))
    nearest = cKDTree(positions).query(positions, k=2)[0][:, 1].max()
    farthest = np.linalg.norm(positions[groups] - positions[groups[:, :1]], axis=-1).max()
    assert farthest <= nearest * np.sqrt(2) + 1e-9


def test_a_scan_of_one_group_is_that_group() -> None:
    groups = neighbour_groups(raster(2, 5.0), 4, 12.0, np.random.default_rng(5))
    assert sorted(groups[0].tolist()) == [0, 1, 2, 3]


def test_a_scan_smaller_than_a_group_has_none() -> None:
    assert neighbour_groups(raster(1, 5.0), 4, 12.0, np.random.default_rng(5)).shape == (0, 4)


def test_coinciding_positions_still_give_distinct_members() -> None:
    groups = neighbour_groups(np.zeros((8, 2)), 4, 12.0, np.random.default_rng(5))
    assert all(len(set(group)) == 4 for group in groups.tolist())


def test_the_generator_alone_decides() -> None:
    positions = SCANS["scattered"]
    first, again, other = (neighbour_groups(positions, 4, 12.0, np.random.default_rng(seed)) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.3, 0.99])
def test_hold_out_splits_the_scan(fraction: float) -> None:
    positions = SCANS["scattered"]
    training, held_out = hold_out(positions, fraction, np.random.default_rng(0))
    assert len(held_out) == min(round(fraction * 150), 149)
    np.testing.assert_array_equal(np.sort(np.concatenate([training, held_out])), np.arange(150))
    assert training.dtype == held_out.dtype == np.int64


def test_held_out_patterns_are_the_disc_around_one_of_them() -> None:
    positions = SCANS["scattered"]
    training, held_out = hold_out(positions, 0.2, np.random.default_rng(0))
    for centre in held_out:
        distance = np.linalg.norm(positions - positions[centre], axis=1)
        if distance[held_out].max() <= distance[training].min():
            return
    pytest.fail("no held-out pattern has all the others nearer than any training pattern")


def test_a_single_pattern_is_for_training() -> None:
    training, held_out = hold_out(np.zeros((1, 2)), 0.9, np.random.default_rng(0))
    assert training.tolist() == [0]
    assert held_out.size == 0
