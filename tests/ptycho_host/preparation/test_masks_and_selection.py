"""Bad pixels found and given, patterns chosen, scans cut in two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ptycho_host.errors import ConfigError, DataError, OptionError
from ptycho_host.preparation.masks import mask, mask_above, mask_dead, mask_hot
from ptycho_host.preparation.selection import drop_empty, split, subset
from ptycho_host.preparation.steps import NOTES, Step, apply_steps
from ptycho_host.testing.scans import simulated_scan


@pytest.fixture
def scan():
    """25 patterns with a hot pixel, a dead one and a known number of counts above 10,000."""
    scan = simulated_scan(16)
    amplitudes = np.maximum(scan.batch(slice(None)), 1)
    amplitudes[:, 2, 3] = 1000
    amplitudes[:, 5, 6] = 0
    return replace(scan, amplitudes=amplitudes, per_pattern={"n": np.arange(25)})


def bad(scan):
    return np.argwhere(scan.bad_pixels).tolist() if scan.bad_pixels is not None else []


def test_masks_are_found_and_add_up(scan, tmp_path):
    assert bad(mask_hot(factor=20)(scan)) == [[2, 3]]
    assert bad(mask_dead()(scan)) == [[5, 6]]
    assert bad(mask_above(counts=9e5)(scan)) == [[2, 3]]
    given = np.zeros((16, 16), dtype=np.uint8)
    given[0, 1] = 1
    np.save(tmp_path / "mask.npy", given)
    together = mask(file=tmp_path / "mask.npy")(mask_dead()(mask_hot(factor=20)(scan)))
    assert bad(together) == [[0, 1], [2, 3], [5, 6]]
    assert not together.batch(slice(None))[:, together.bad_pixels].any()
    np.testing.assert_array_equal(
        together.batch(slice(None))[:, ~together.bad_pixels], scan.amplitudes[:, ~together.bad_pixels]
    )


def test_masks_that_leave_nothing_or_do_not_fit_are_refused(scan, tmp_path):
    with pytest.raises(DataError, match="every pixel would be bad"):
        mask_above(counts=1e-9)(replace(scan, amplitudes=np.ones((25, 16, 16), dtype=np.float32)))
    np.save(tmp_path / "small.npy", np.zeros((8, 8), dtype=bool))
    with pytest.raises(DataError, match=r"small\.npy: the mask is bool of shape \(8, 8\)"):
        mask(file=tmp_path / "small.npy")(scan)
    np.save(tmp_path / "objects.npy", np.array([None]), allow_pickle=True)
    with pytest.raises(DataError, match="pickled"):
        mask(file=tmp_path / "objects.npy")(scan)


def test_patterns_are_chosen_with_all_that_is_theirs(scan):
    chosen = subset(first=3, every=4, count=3)(scan)
    assert chosen.per_pattern["n"].tolist() == [3, 7, 11]
    np.testing.assert_array_equal(chosen.positions, scan.positions[[3, 7, 11]])
    amplitudes = scan.amplitudes.copy()
    amplitudes[[4, 9]] = 0
    lit = drop_empty()(replace(scan, amplitudes=amplitudes))
    assert sorted(set(range(25)) - set(lit.per_pattern["n"].tolist())) == [4, 9]
    with pytest.raises(DataError, match="none is left from 25 on"):
        subset(first=25)(scan)


@pytest.mark.parametrize(("axis", "column"), [("y", 0), ("x", 1)])
def test_a_split_is_disjoint_and_keeps_its_distance(scan, axis, column):
    first, second = split(scan, axis, 0.6)
    assert (first.count, second.count) == (15, 10)
    assert first.positions[:, column].max() <= second.positions[:, column].min()
    assert not set(first.per_pattern["n"]) & set(second.per_pattern["n"])
    near, far = split(scan, axis, 0.6, gap=3.0)
    assert far.positions[:, column].min() - near.positions[:, column].max() >= 3
    with pytest.raises(DataError, match="the second side is empty"):
        split(scan, axis, 0.6, gap=100.0)
    with pytest.raises(DataError, match="leaves a side empty"):
        split(scan, axis, 0.001)


def test_steps_are_noted_in_their_order(scan):
    steps = [Step.of("mask_hot", {"factor": 20}), Step.of("crop", {"pixels": 12})]
    prepared = apply_steps(apply_steps(scan, steps[:1]), steps[1:])
    assert prepared.metadata["photons"] == scan.metadata["photons"]
    assert prepared.metadata[NOTES] == [{"step": "mask_hot", "factor": 20.0}, {"step": "crop", "pixels": 12}]


def test_strange_steps_and_options_are_refused():
    with pytest.raises(ConfigError, match=r"no step 'crp'\. Did you mean 'crop'"):
        Step.of("crp", {})
    with pytest.raises(OptionError, match=r"step 'crop' has no option 'pixel'\. Did you mean 'pixels'"):
        Step.of("crop", {"pixel": 12})
    with pytest.raises(OptionError, match="multiple of 2"):
        Step.of("crop", {"pixels": 13})
