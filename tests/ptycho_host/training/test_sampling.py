"""Which patterns make up the steps of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ptycho_host.data.grouping import Lattice
from ptycho_host.errors import InputError
from ptycho_host.training.sampling import GroupSampler, steps_of


def raster(side: int, step: float) -> np.ndarray:
    line = step * np.arange(side)
    return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)


def sampler(positions: np.ndarray, training: np.ndarray | None = None, **settings: Any) -> GroupSampler:
    training = np.arange(len(positions)) if training is None else training
    values = {"size": 4, "arrangement": Lattice(10.0), "diameter": 30.0, "seed": 1, **settings}
    return GroupSampler.of_overlapping(positions, training, **values)  # type: ignore[arg-type]


def test_groups_depend_on_seed_and_epoch_alone() -> None:
    positions = raster(10, 5.0)
    first = sampler(positions)
    first.groups(0)
    np.testing.assert_array_equal(first.groups(3), sampler(positions).groups(3))
    assert not np.array_equal(first.groups(3), first.groups(4))
    assert not np.array_equal(first.groups(3), sampler(positions, seed=2).groups(3))


def test_only_training_patterns_are_drawn() -> None:
    training = np.arange(0, 100, 3)
    assert np.isin(sampler(raster(10, 5.0), training).groups(0), training).all()


def test_groups_keep_within_the_reach_of_the_first_epoch() -> None:
    """A straggler far from all others is in no group, so that it does not blow up the canvas of all."""
    positions = np.concatenate([raster(10, 5.0), [[500.0, 500.0]]])
    drawn = sampler(positions)
    assert drawn.reach <= 30
    for epoch in range(20):
        groups = drawn.groups(epoch)
        assert np.ptp(positions[groups], axis=1).max() <= drawn.reach
        assert 100 not in groups


def test_without_overlap_every_pattern_is_its_own_group() -> None:
    alone = sampler(raster(5, 40.0))
    assert alone.size == 1
    assert sorted(alone.groups(0).ravel().tolist()) == list(range(25))


def test_steps_have_one_shape() -> None:
    groups = np.arange(92).reshape(23, 4)
    steps = steps_of(groups, batch_size=16)
    assert steps.shape == (5, 1, 4, 4)
    np.testing.assert_array_equal(steps.reshape(-1, 4), groups[:20])


def test_a_batch_smaller_than_a_group_is_one_group() -> None:
    assert steps_of(np.arange(12).reshape(3, 4), batch_size=2).shape == (3, 1, 1, 4)


def test_few_groups_make_one_step() -> None:
    assert steps_of(np.arange(12).reshape(3, 4), batch_size=64).shape == (1, 1, 3, 4)


def test_steps_fill_up_accumulated_ones() -> None:
    groups = np.arange(92).reshape(23, 4)
    assert steps_of(groups, batch_size=16, accumulate=2).shape == (2, 2, 4, 4)
    assert steps_of(groups, batch_size=16, accumulate=9).shape == (1, 5, 4, 4)


def test_processes_share_an_epoch_without_overlap() -> None:
    groups = np.arange(92).reshape(23, 4)
    first, second = (steps_of(groups, 16, rank=rank, world=2) for rank in (0, 1))
    assert first.shape == second.shape == (2, 1, 4, 4)
    assert not set(first.ravel().tolist()) & set(second.ravel().tolist())
    with pytest.raises(InputError, match="fewer devices"):
        steps_of(groups[:1], 16, rank=1, world=2)


def test_every_epoch_has_groups_if_the_first_has() -> None:
    positions = np.array([[0.0, 0], [0, 8], [9, 0], [8, 9], [29, 20], [0, 29], [29, 0]])
    drawn = sampler(positions, size=3, diameter=20.0)
    assert all(len(drawn.groups(epoch)) > 0 for epoch in range(50))
