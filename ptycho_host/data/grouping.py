"""Which patterns are looked at together: groups of neighbours, and which part of the scan is for training.

`docs/grouping.md` tells the whole story.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ptycho_host.data.combinations import draw_combinations

Indices = NDArray[np.int64]
Positions = NDArray[np.float64]

BLOCK = 2**18
"""Neighbours that are looked up at a time, which bounds the memory beside the groups themselves."""


class Arrangement(Protocol):
    """How a pattern's companions are chosen."""

    def around(self, positions: Positions, anchors: Indices, size: int, rng: np.random.Generator) -> Indices:
        """Groups (G, size) of distinct patterns of a scan with `positions` (M, 2), M >= size.

        The anchors (G,) stand in the first column. Every draw comes from `rng`.
        """
        ...

    def widest(self, positions: Positions, groups: Indices) -> float:
        """How far members of such groups, of which some (G, size) are given, may lie apart along an axis."""
        ...


@dataclass(frozen=True, slots=True)
class Lattice:
    """Companions at a distance: near the points of a square lattice that starts at the anchor.

    The lattice, of `spacing` object pixels (2 x 2 points for groups of 4), is turned by a random angle, so that with
    time all pairs of neighbours meet. Where the scan is too sparse or too small for it, the nearest patterns that the
    group does not hold yet take the places.
    """

    spacing: float

    def around(self, positions: Positions, anchors: Indices, size: int, rng: np.random.Generator) -> Indices:
        """As `Arrangement.around`."""
        angle = rng.uniform(0, 2 * np.pi, size=len(anchors))
        groups = np.empty((len(anchors), size), dtype=np.int64)
        tree = cKDTree(positions)
        for part in _parts(len(anchors), size):
            groups[part] = self._around(tree, positions, anchors[part], angle[part], size)
        return groups

    def widest(self, positions: Positions, groups: Indices) -> float:
        """As the widest of the given ones: a lattice that is turned otherwise is about as wide."""
        return float(extents(positions[groups]).max())

    def _around(
        self, tree: cKDTree, positions: Positions, anchors: Indices, angle: NDArray[np.float64], size: int
    ) -> Indices:
        along = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
        across = np.stack([np.cos(angle), -np.sin(angle)], axis=-1)
        groups = np.empty((len(anchors), size), dtype=np.int64)
        groups[:, 0] = anchors
        for member, (row, column) in enumerate(_lattice(size)[1:], start=1):
            target = positions[anchors] + self.spacing * (row * across + column * along)
            # Of `size` candidates at least one is free, because the group holds fewer than `size` members.
            candidates = tree.query(target, k=size)[1].reshape(-1, size)
            taken = (candidates[:, :, None] == groups[:, None, :member]).any(axis=-1)
            groups[:, member] = np.take_along_axis(candidates, np.argmin(taken, axis=1)[:, None], axis=1)[:, 0]
        return groups


@dataclass(frozen=True, slots=True)
class Nearest:
    """Companions close by: some of the anchor's nearest patterns, drawn at random, in the order of their distance.

    neighbours: K, how many to draw from, the anchor itself not counted; all where the scan has fewer. Every
    combination of an anchor's neighbours is equally likely, and groups around the same anchor are distinct
    combinations.
    """

    neighbours: int

    def around(self, positions: Positions, anchors: Indices, size: int, rng: np.random.Generator) -> Indices:
        """As `Arrangement.around`; raises ValueError when an anchor comes more often than it has combinations."""
        tree = cKDTree(positions)
        distinct, place, times = np.unique(anchors, return_inverse=True, return_counts=True)
        groups = np.empty((len(anchors), size), dtype=np.int64)
        groups[:, 0] = anchors
        # Rows of `groups`, those of one anchor after each other, and where each anchor's begin.
        rows, first = np.argsort(place, kind="stable"), np.cumsum(times) - times
        for each in np.unique(times):
            chosen = np.flatnonzero(times == each)
            for part in _parts(len(chosen), self.neighbours + int(each) * size):
                around = self._of(tree, positions, distinct[chosen[part]])
                drawn = draw_combinations(len(around), int(each), around.shape[1], size - 1, rng)
                members = np.take_along_axis(around[:, None, :], drawn, axis=-1)
                groups[rows[first[chosen[part]][:, None] + np.arange(each)], 1:] = members
        return groups

    def widest(self, positions: Positions, groups: Indices) -> float:
        """As the widest neighbourhood of all patterns."""
        tree = cKDTree(positions)
        widest = 0.0
        for part in _parts(len(positions), self.neighbours):
            anchors = np.arange(len(positions))[part]
            together = np.concatenate([anchors[:, None], self._of(tree, positions, anchors)], axis=1)
            widest = max(widest, float(extents(positions[together]).max()))
        return widest

    def _of(self, tree: cKDTree, positions: Positions, anchors: Indices) -> Indices:
        """The nearest other patterns (G, K) of the anchors (G,), the nearest first."""
        count = min(self.neighbours, len(positions) - 1)
        found = tree.query(positions[anchors], k=count + 1)[1].reshape(-1, count + 1)
        itself = found == anchors[:, None]
        # Among many patterns at the same place, the anchor may not be one of those found.
        itself[~itself.any(axis=1), -1] = True
        nearest: Indices = found[~itself].reshape(len(anchors), count).astype(np.int64)
        return nearest


def draw_groups(
    arrangement: Arrangement, positions: Positions, size: int, count: int, rng: np.random.Generator
) -> Indices:
    """Groups (count, size) of neighbouring patterns of a scan with `positions` (M, 2), in random order.

    Anchors stand in the first column. They are drawn at random without replacement; where `count` is more than M,
    all patterns are anchors equally often, except for a random remainder that comes once more.
    """
    order = rng.permutation(len(positions))
    if count <= len(order):
        return arrangement.around(positions, order[:count], size, rng)
    anchors = rng.permutation(np.resize(order, count))
    return arrangement.around(positions, anchors, size, rng)


def extents(positions: Positions) -> NDArray[np.float64]:
    """How far the positions (G, K, 2) of each group lie apart, the larger axis (G,)."""
    apart: NDArray[np.float64] = np.ptp(positions, axis=1).max(axis=1)
    return apart


def hold_out(positions: Positions, fraction: float, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Split a scan with `positions` (M, 2) into sorted indices for training and held out, disjoint and complete.

    Held out is the connected part nearest to a random scan position, `fraction` of all patterns (rounded): patterns
    drawn one by one would have all their neighbours in training and test nothing. Training keeps at least one.
    """
    count = len(positions)
    size = min(round(fraction * count), count - 1)
    distance = np.linalg.norm(positions - positions[rng.integers(count)], axis=1)
    order = np.argsort(distance, kind="stable").astype(np.int64)
    return np.sort(order[size:]), np.sort(order[:size])


def subsample(patterns: Indices, count: int, rng: np.random.Generator) -> Indices:
    """That many of the patterns (T,), drawn at random without replacement, sorted."""
    return np.sort(rng.choice(patterns, count, replace=False))


def _parts(count: int, width: int) -> list[slice]:
    """Consecutive slices over `count` rows of `width` values, each of about BLOCK values."""
    length = max(1, BLOCK // max(1, width))
    return [slice(first, first + length) for first in range(0, count, length)]


def _lattice(size: int) -> list[tuple[int, int]]:
    """The `size` points of the first quadrant of the square lattice nearest to the origin, squares filled first."""
    side = int(np.ceil(np.sqrt(size)))
    points = [(row, column) for row in range(side) for column in range(side)]
    return sorted(points, key=lambda point: (max(point), sum(point), point))[:size]
