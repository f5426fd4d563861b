"""Distinct combinations, drawn without bias and without listing them all."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def draw_combinations(rows: int, each: int, of: int, size: int, rng: np.random.Generator) -> Indices:
    """Combinations (rows, each, size) of `size` of the numbers 0 to `of` - 1, ascending; those of a row are distinct.

    Within a row every set of `each` combinations is equally likely. Raises ValueError when there are not so many, or
    more than can be numbered in 64 bits (`of` > 64 may lead there).
    """
    total = math.comb(of, size)
    if not each <= total < 2**63:
        raise ValueError(f"{each} of the {total} combinations of {size} of {of} cannot be drawn")
    return _unranked(_distinct_ranks(rows, each, total, rng), of, size)


def _distinct_ranks(rows: int, each: int, total: int, rng: np.random.Generator) -> Indices:
    """Numbers (rows, each) below `total`, distinct in a row, by Floyd's algorithm (Comm. ACM 30 (1987) 754)."""
    ranks = np.empty((rows, each), dtype=np.int64)
    for column, last in enumerate(range(total - each, total)):
        drawn = rng.integers(0, last, size=rows, endpoint=True)
        repeated = (ranks[:, :column] == drawn[:, None]).any(axis=1)
        ranks[:, column] = np.where(repeated, last, drawn)
    return ranks


def _unranked(ranks: Indices, of: int, size: int) -> Indices:
    """The combinations (…, size) that have these numbers in the combinatorial number system.

    Number r stands for c_size > … > c_1 with r = sum binomial(c_i, i): Knuth, The Art of Computer Programming 4A,
    section 7.2.1.3.
    """
    combinations = np.empty((*ranks.shape, size), dtype=np.int64)
    left, largest = ranks, np.iinfo(np.int64).max
    for place in range(size, 0, -1):
        # What does not fit into 64 bits lies above every rank.
        below = np.array([min(math.comb(number, place), largest) for number in range(of)], dtype=np.int64)
        number = np.searchsorted(below, left, side="right") - 1
        combinations[..., place - 1] = number
        left = left - below[number]
    return combinations
