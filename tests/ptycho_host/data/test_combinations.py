"""Distinct combinations without bias."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from ptycho_host.data.combinations import draw_combinations

FALSE_ALARM = 1e-6
"""Probability that a draw without bias fails a test of its distribution; the seeds are fixed besides."""


@st.composite
def requests(draw: st.DrawFn) -> tuple[int, int, int]:
    of = draw(st.integers(1, 64))
    size = draw(st.integers(0, min(of, 8)))
    return of, size, draw(st.integers(1, min(comb(of, size), 12)))


@given(requests(), st.integers(0, 2**32 - 1))
def test_combinations_of_a_row_are_distinct_and_ascending(request_: tuple[int, int, int], seed: int) -> None:
    of, size, each = request_
    drawn = draw_combinations(5, each, of, size, np.random.default_rng(seed))
    assert drawn.shape == (5, each, size)
    assert (np.diff(drawn, axis=-1) > 0).all()
    assert ((drawn >= 0) & (drawn < of)).all()
    assert all(len({tuple(found) for found in row.tolist()}) == each for row in drawn)


@pytest.mark.parametrize(("of", "size"), [(5, 2), (6, 3), (7, 1), (4, 4), (8, 0)])
def test_all_combinations_can_be_asked_for(of: int, size: int) -> None:
    (drawn,) = draw_combinations(1, comb(of, size), of, size, np.random.default_rng(0))
    assert sorted(map(tuple, drawn.tolist())) == list(combinations(range(of), size))


@pytest.mark.parametrize("each", [1, 2, 4])
def test_every_set_of_combinations_is_equally_likely(each: int) -> None:
    """Chi-square over all sets of `each` of the ten pairs of five."""
    rows = 40_000
    drawn = draw_combinations(rows, each, 5, 2, np.random.default_rng(3))
    kinds = {pair: number for number, pair in enumerate(combinations(range(5), 2))}
    sets = {chosen: number for number, chosen in enumerate(combinations(range(10), each))}
    counts = np.zeros(len(sets))
    for row in drawn.tolist():
        counts[sets[tuple(sorted(kinds[tuple(pair)] for pair in row))]] += 1
    expected = rows / len(sets)
    assert expected > 100
    assert np.sum((counts - expected) ** 2 / expected) < chi2.ppf(1 - FALSE_ALARM, len(sets) - 1)


def test_the_largest_number_of_combinations_is_numbered_rightly() -> None:
    """C(64, 32) is 1.8e18: means of members tell whether any order is cut off. Standard errors, 5 of them."""
    drawn = draw_combinations(4000, 1, 64, 32, np.random.default_rng(0))[:, 0]
    # Member i of 32 of 64 has mean (i + 1) 65 / 33 - 1, and no member varies more than the one in the middle, 4.1.
    due = (np.arange(32) + 1) * 65 / 33 - 1
    assert np.abs(drawn.mean(axis=0) - due).max() < 5 * 4.1 / np.sqrt(4000)


@pytest.mark.parametrize(("each", "of", "size"), [(11, 5, 2), (1, 3, 4), (1, 100, 50)])
def test_what_there_is_not_is_an_error(each: int, of: int, size: int) -> None:
    with pytest.raises(ValueError, match="cannot be drawn"):
        draw_combinations(2, each, of, size, np.random.default_rng(0))


@pytest.mark.parametrize(("of", "size"), [(99, 99), (100, 98), (200, 3)])
def test_many_numbers_are_no_trouble_where_there_are_few_combinations(of: int, size: int) -> None:
    drawn = draw_combinations(5, 1, of, size, np.random.default_rng(0))[:, 0]
    assert drawn.shape == (5, size) and (np.diff(drawn) > 0).all()
    assert drawn.min() >= 0 and drawn.max() < of
