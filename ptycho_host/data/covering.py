"""Fewer patterns that still cover the object: a dense scan tells a first look hardly more than a sparse one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


def covering(positions: NDArray[np.float64], spacing: float) -> NDArray[np.int64]:
    """Indices, in order, of positions (M, 2) about `spacing` apart that reach as far as all do.

    They are those nearest to the points of a rectangular lattice from edge to edge. Where that would leave out less
    than half of the positions, all are returned.
    """
    lowest, spans = positions.min(axis=0), np.ptp(positions, axis=0)
    counts = np.ceil(spans / spacing - 1e-9).astype(np.int64) + 1
    if 2 * counts.prod() > len(positions):
        return np.arange(len(positions))
    rows, columns = (low + np.linspace(0, span, count) for low, span, count in zip(lowest, spans, counts, strict=True))
    points = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    nearest: NDArray[np.int64] = np.unique(cKDTree(positions).query(points)[1])
    return nearest
