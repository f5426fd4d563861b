"""Which patterns are looked at together: groups of neighbours, and a held-out part of the scan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Indices = NDArray[np.int64]
Positions = NDArray[np.float64]


def neighbour_groups(positions: Positions, size: int, spacing: float, rng: np.random.Generator) -> Indices:
    """Groups (G, size) of distinct neighbouring patterns of a scan with `positions` (M, 2); G = M // size.

    Every group has another anchor, drawn at random, in its first column. The others lie nearest to the points of a
    square lattice of `spacing` object pixels that starts at the anchor (2 x 2 points for size 4) and is turned by
    a random angle, so that with time all pairs of neighbours meet. Where the scan is too sparse or too small for
    the lattice, the nearest patterns that the group does not hold yet take the places. Every draw comes from `rng`.
    """
    count = len(positions)
    return groups_around(positions, rng.permutation(count)[: count // size], size, spacing, rng)


def groups_around(
    positions: Positions, anchors: Indices, size: int, spacing: float, rng: np.random.Generator
) -> Indices:
    """As `neighbour_groups`, with given `anchors` (G,) in the first column of (G, size)."""
    angle = rng.uniform(0, 2 * np.pi, size=len(anchors))
    along = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    across = np.stack([np.cos(angle), -np.sin(angle)], axis=-1)

    groups = np.empty((len(anchors), size), dtype=np.int64)
    groups[:, 0] = anchors
    tree = cKDTree(positions)
    for member, (row, column) in enumerate(_lattice(size)[1:], start=1):
        target = positions[anchors] + spacing * (row * across + column * along)
        # Of `size` candidates at least one is free, because the group holds fewer than `size` members.
        candidates = tree.query(target, k=size)[1].reshape(-1, size)
        taken = (candidates[:, :, None] == groups[:, None, :member]).any(axis=-1)
        groups[:, member] = np.take_along_axis(candidates, np.argmin(taken, axis=1)[:, None], axis=1)[:, 0]
    return groups


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


def _lattice(size: int) -> list[tuple[int, int]]:
    """The `size` points of the first quadrant of the square lattice nearest to the origin, squares filled first."""
    side = int(np.ceil(np.sqrt(size)))
    points = [(row, column) for row in range(side) for column in range(side)]
    return sorted(points, key=lambda point: (max(point), sum(point), point))[:size]
