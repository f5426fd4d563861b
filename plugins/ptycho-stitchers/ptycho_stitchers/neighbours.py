"""Which patches are compared with which."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError, cKDTree


def neighbouring_pairs(positions: NDArray[np.float64], reach: float, neighbours: int) -> NDArray[np.int64]:
    """Pairs (P, 2) of indices k < l of positions (M, 2) at most `reach` apart, sorted by l, then k.

    A pair is taken if one is among the nearest `neighbours` of the other, or if they share an edge of the Delaunay
    triangulation. The latter holds the shortest spanning tree, so that whatever hangs together within `reach` hangs
    together here: on a fly scan, for example, all nearest neighbours lie on the same line.
    """
    count = len(positions)
    if count < 2:
        return np.empty((0, 2), dtype=np.int64)
    edges = _delaunay_edges(positions, reach)
    found = cKDTree(positions).query(positions, k=min(neighbours + 1, count), distance_upper_bound=reach)[1]
    # A pair as one number, later * M + earlier, takes a fraction of the memory when duplicates are sought.
    numbers = [_numbers(edges[:, 0], edges[:, 1], count)]
    numbers += [_numbers(np.arange(count), column, count) for column in found.T]
    ordered = np.sort(np.concatenate(numbers))
    distinct = ordered[np.flatnonzero(np.diff(ordered, prepend=-1))]
    return np.stack([distinct % count, distinct // count], axis=1)


def _numbers(one: NDArray[np.integer], other: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    """Of the pairs that are two positions, `count` standing for none; the same for (k, l) and (l, k)."""
    pair = (one != other) & (other < count)
    one, other = one[pair].astype(np.int64), other[pair].astype(np.int64)
    return np.maximum(one, other) * count + np.minimum(one, other)


def _delaunay_edges(positions: NDArray[np.float64], reach: float) -> NDArray[np.int64]:
    try:
        triangles = Delaunay(positions).simplices
    except QhullError:  # fewer than four positions, or all on one line: the nearest neighbours say it all
        return np.empty((0, 2), dtype=np.int64)
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).astype(np.int64)
    length = np.linalg.norm(positions[edges[:, 0]] - positions[edges[:, 1]], axis=1)
    near: NDArray[np.int64] = edges[length <= reach]
    return near
