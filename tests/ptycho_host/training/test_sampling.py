"""Which patterns make up the steps of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ptycho_host.config import TrainOptions
from ptycho_host.contracts import Bundle, TrainingProblem
from ptycho_host.data.grouping import Lattice
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError
from ptycho_host.physics.intensity import IntensityScale
from ptycho_host.training.sampling import GroupSampler, grouping_facts, prediction_groups, steps_of


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


def problem(positions: np.ndarray, gridsize: int = 1, training: np.ndarray | None = None, **options: Any) -> Any:
    """Under a disc of 20 pixels."""
    y, x = np.mgrid[:32, :32] - 15.5
    probe = (np.hypot(y, x) <= 10).astype(np.complex64)
    scan = Scan(np.ones((len(positions), 32, 32), dtype=np.float32), positions + 16.0, probe)
    training = np.arange(len(positions)) if training is None else training
    none = np.empty(0, dtype=np.int64)
    chosen = TrainOptions(**options)
    return TrainingProblem(scan, training, none, IntensityScale(1.0, 1.0), chosen, 3, channels=gridsize**2)


def test_an_epoch_of_nearest_groups_holds_every_pattern_once_on_average() -> None:
    drawn = GroupSampler.for_problem(problem(raster(10, 4.0), 2, grouping="nearest"))
    assert drawn.groups(0).shape == (25, 4)
    # Four nearest on a raster lie within two steps of each other, at the rim too.
    assert drawn.reach == pytest.approx(8.0)


def test_oversampled_epochs_are_distinct_groups_of_training_patterns() -> None:
    training = np.arange(1, 100, 2)
    options = {"grouping": "nearest", "n_groups": 400, "neighbour_pool_size": 6, "enable_oversampling": True}
    drawn = GroupSampler.for_problem(problem(raster(10, 3.0), 2, training, **options))
    groups = drawn.groups(1)
    assert np.isin(groups, training).all()
    assert len({(group[0], frozenset(group[1:])) for group in groups.tolist()}) == 400


def test_fewer_groups_can_be_asked_for_in_every_arrangement() -> None:
    for grouping in ("lattice", "nearest"):
        drawn = GroupSampler.for_problem(problem(raster(10, 3.0), 2, grouping=grouping, n_groups=7))
        assert drawn.groups(0).shape == (7, 4)


def test_groups_across_a_gap_are_left_out() -> None:
    """The straggler's nearest patterns are far away: it anchors nothing, and the canvas stays small."""
    positions = np.concatenate([raster(10, 4.0), [[500.0, 500.0]]])
    drawn = GroupSampler.for_problem(problem(positions, 2, grouping="nearest", n_groups=101))
    groups = drawn.groups(0)
    assert len(groups) == 100
    assert 100 not in groups
    assert drawn.reach < 25


REFUSED = {
    "lattices have no neighbours": ({"neighbour_count": 6}, "set train.grouping=nearest"),
    "lattices are not oversampled": (
        {"enable_oversampling": True},
        "nearest patterns knows 'train.enable_oversampling'",
    ),
    "a pool without oversampling": ({"grouping": "nearest", "neighbour_pool_size": 6}, "use train.neighbour_count"),
    "too few neighbours": ({"grouping": "nearest", "neighbour_count": 2}, "is 2, .* need one from 3 to 48"),
    "more neighbours than patterns": ({"grouping": "nearest", "neighbour_count": 49}, "from 3 to 48"),
    "a pool without a choice": (
        {"grouping": "nearest", "enable_oversampling": True, "neighbour_pool_size": 3},
        "neighbour_pool_size is 3, .* from 4 to 48",
    ),
    "more groups than patterns": ({"grouping": "nearest", "n_groups": 50}, "make 49 distinct groups .*oversampling"),
    "more lattices than patterns": ({"n_groups": 50}, "make 49 distinct groups"),
    "more groups than combinations": (
        {"grouping": "nearest", "n_groups": 197, "enable_oversampling": True},
        "make 196 distinct groups of 4; raise train.neighbour_pool_size",
    ),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_had_is_refused_in_one_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        GroupSampler.for_problem(problem(raster(7, 3.0), 2, **options))
    assert str(refusal.value).count(". ") == 0
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("options", [{}, {"grouping": "nearest", "neighbour_count": 5}], ids=["lattice", "nearest"])
def test_prediction_sees_groups_as_training_did(options: dict[str, Any]) -> None:
    trained = problem(raster(10, 4.0), 2, **options)
    bundle = Bundle(None, {}, trained.shape, trained.scale, grouping_facts(trained.options, 4))  # type: ignore[arg-type]
    groups = prediction_groups(bundle, trained.scan)
    np.testing.assert_array_equal(groups[:, 0], np.arange(100))
    sampler = GroupSampler.for_problem(trained)
    again = sampler.arrangement.around(trained.scan.positions, np.arange(100), 4, np.random.default_rng(0))
    np.testing.assert_array_equal(groups, again)
