"""Groups of nearest patterns: what is promised of them, on scans of every kind."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from ptycho_host.data.grouping import Nearest, draw_groups, extents, subsample

FALSE_ALARM = 1e-6
"""Probability that a draw without bias fails a test of its distribution; the seeds are fixed besides."""


@st.composite
def requests(draw: st.DrawFn) -> tuple[np.ndarray, int, int, int, int]:
    """Positions, some of them on one spot, size, neighbours and number of groups that can be had."""
    count = draw(st.integers(2, 40))
    coordinate = st.integers(0, 6) if draw(st.booleans()) else st.floats(0, 100)
    places = draw(st.lists(st.tuples(coordinate, coordinate), min_size=count, max_size=count))
    neighbours = draw(st.integers(1, min(10, count - 1)))
    size = draw(st.integers(1, neighbours + 1))
    wanted = draw(st.integers(1, min(count * comb(neighbours, size - 1), 150)))
    return np.array(places, dtype=float), size, neighbours, wanted, draw(st.integers(0, 2**32 - 1))


@given(requests())
def test_groups_are_what_they_promise(request_: tuple[np.ndarray, int, int, int, int]) -> None:
    positions, size, neighbours, wanted, seed = request_
    groups = draw_groups(Nearest(neighbours), positions, size, wanted, np.random.default_rng(seed))
    assert groups.shape == (wanted, size)
    assert all(len(set(group)) == size for group in groups.tolist()), "members are distinct"

    distance = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    others = np.sort(distance + np.where(np.eye(len(positions)), np.inf, 0), axis=1)
    farthest = distance[groups[:, :1], groups].max(axis=1)
    assert (farthest <= others[groups[:, 0], neighbours - 1] + 1e-9).all(), "members are among the K nearest"
    from_anchor = distance[groups[:, :1], groups]
    assert (np.diff(from_anchor, axis=1) >= -1e-9).all(), "the anchor comes first, then the nearest"

    anchored = {(group[0], frozenset(group[1:])) for group in groups.tolist()}
    assert len(anchored) == wanted, "combinations are distinct"
    times = np.bincount(groups[:, 0], minlength=len(positions))
    assert np.ptp(times) <= 1, "all patterns are anchors equally often"
    assert extents(positions[groups]).max() <= Nearest(neighbours).widest(positions, groups) + 1e-9


@pytest.mark.parametrize(("count", "epochs"), [(5, 6000), (20, 1500), (50, 800)])
def test_no_combination_is_preferred(count: int, epochs: int) -> None:
    """Chi-square over all pairs of four neighbours of each of 20 anchors, with and without oversampling.

    Counts of one epoch that are drawn without replacement vary less than independent ones: the test is on the safe
    side.
    """
    positions = np.random.default_rng(5).uniform(0, 50, (20, 2))
    rng = np.random.default_rng(6)
    seen: dict[tuple[int, ...], int] = {}
    for _ in range(epochs):
        for anchor, *members in draw_groups(Nearest(4), positions, 3, count, rng).tolist():
            key = (anchor, *sorted(members))
            seen[key] = seen.get(key, 0) + 1
    cells = 20 * comb(4, 2)
    counts = np.array(list(seen.values()))
    expected = count * epochs / cells
    assert len(counts) == cells
    assert np.sum((counts - expected) ** 2 / expected) < chi2.ppf(1 - FALSE_ALARM, cells - 1)


def test_all_combinations_of_a_scan_are_drawn_when_all_are_asked_for() -> None:
    positions = np.random.default_rng(5).uniform(0, 50, (7, 2))
    groups = draw_groups(Nearest(6), positions, 3, 7 * comb(6, 2), np.random.default_rng(0))
    due = {(anchor, pair) for anchor in range(7) for pair in combinations(sorted({*range(7)} - {anchor}), 2)}
    assert {(anchor, tuple(sorted(pair))) for anchor, *pair in groups.tolist()} == due


def test_a_scan_with_fewer_neighbours_gives_all_it_has() -> None:
    groups = Nearest(10).around(np.arange(8.0).reshape(4, 2), np.arange(4), 4, np.random.default_rng(0))
    assert all(sorted(group) == [0, 1, 2, 3] for group in groups.tolist())


def test_more_than_there_is_is_an_error() -> None:
    with pytest.raises(ValueError, match="cannot be drawn"):
        draw_groups(Nearest(3), np.random.default_rng(0).uniform(size=(5, 2)), 3, 16, np.random.default_rng(0))


def test_groups_depend_on_the_generator_alone() -> None:
    positions = np.random.default_rng(0).uniform(0, 50, (300, 2))
    first, again, other = (
        draw_groups(Nearest(6), positions, 4, 700, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_blocks_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the work is cut into blocks, every promise still holds."""
    monkeypatch.setattr("ptycho_host.data.grouping.BLOCK", 64)
    positions = np.random.default_rng(0).uniform(0, 50, (300, 2))
    groups = draw_groups(Nearest(5), positions, 3, 800, np.random.default_rng(1))
    assert len({(group[0], frozenset(group[1:])) for group in groups.tolist()}) == 800
    assert np.ptp(np.bincount(groups[:, 0], minlength=300)) <= 1


def test_subsamples_are_sorted_parts_that_their_seed_decides() -> None:
    patterns = np.arange(100, 200)
    chosen = subsample(patterns, 30, np.random.default_rng(1))
    assert len(set(chosen.tolist())) == 30
    assert (np.diff(chosen) > 0).all()
    assert np.isin(chosen, patterns).all()
    np.testing.assert_array_equal(chosen, subsample(patterns, 30, np.random.default_rng(1)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arrangement", "wanted"), [("lattice", 250_000), ("nearest", 250_000), ("nearest", 3_000_000)]
)
def test_a_million_positions_take_bounded_memory(arrangement: str, wanted: int) -> None:
    """The tree, the groups (32 bytes each) and what sorting them takes; counted in a process of its own."""
    import subprocess
    import sys

    program = f"""
import resource
import numpy as np
from ptycho_host.data.grouping import Lattice, Nearest, draw_groups
positions = np.random.default_rng(0).uniform(0, 5000, (10**6, 2))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
chosen = Lattice(20.0) if {arrangement == "lattice"} else Nearest(8)
draw_groups(chosen, positions, 4, {wanted}, np.random.default_rng(1))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300)
    # MiB; measured are 46, 54 and 287.
    assert float(done.stdout) < 100 + 4 * wanted * 32 / 2**20


def test_a_lone_pattern_has_no_neighbours() -> None:
    groups = Nearest(8).around(np.array([[3.0, 4.0]]), np.array([0]), 1, np.random.default_rng(0))
    np.testing.assert_array_equal(groups, [[0]])
