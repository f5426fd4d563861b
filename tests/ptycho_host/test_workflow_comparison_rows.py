"""Which runs are one row of a comparison, and names that tell the rows apart by what differs."""

from __future__ import annotations

import numpy as np

from ptycho_host.config import from_table
from ptycho_host.workflows.comparison.rows import rows_of
from ptycho_host.workflows.comparison.sources import Source, TrainedRun

OBJECT = np.ones((4, 4), np.complex64)
NET = {"name": "net", "width": 16}


def run(path: str, **settings) -> Source:
    config = from_table({"backend": "torch", "generator": NET, **settings})
    return Source(path, OBJECT, None, TrainedRun(config, "fingerprint", {}))


def names(*sources: Source) -> list[str]:
    return list(rows_of(sources))


def test_one_run_is_called_after_its_generator():
    assert names(run("runs/a")) == ["net"]


def test_only_what_differs_is_named():
    assert names(run("a"), run("b", clip="agc"), run("c", clip="agc", loss="poisson")) == [
        "net (mae, norm)", "net (mae, agc)", "net (poisson, agc)",
    ]  # fmt: skip
    assert names(run("a"), run("b", train={"epochs": 3}), run("c", data={"gridsize": 2})) == [
        "net (gridsize=1)", "net (gridsize=1, epochs=3)", "net (gridsize=2)",
    ]  # fmt: skip


def test_an_option_is_compared_among_those_of_its_component():
    other = {"name": "other", "width": 99, "depth": 3}
    assert names(run("a"), run("b", generator=other)) == ["net", "other"]
    wide = {"name": "net", "width": 32}
    assert names(run("a"), run("b", generator=other), run("c", generator=wide)) == [
        "net (width=16)", "other", "net (width=32)",
    ]  # fmt: skip


def test_twins_of_two_back_ends_are_told_by_the_back_end_and_not_by_the_engine():
    assert names(run("a", engine={"name": "fabric"}), run("b", backend="tensorflow", engine={"name": "keras"})) == [
        "net (torch)", "net (tensorflow)",
    ]  # fmt: skip


def test_options_of_engines_are_compared_within_a_back_end_and_come_last():
    fabric, keras = {"name": "fabric", "threads": 1, "nodes": 1}, {"name": "keras", "xla": True}
    other = {"name": "other"}
    assert names(run("a", engine=fabric), run("b", backend="tensorflow", generator=other, engine=keras)) == [
        "net (torch)", "other (tensorflow)",
    ]  # fmt: skip
    assert names(run("a", engine=fabric), run("b", engine={**fabric, "threads": 2}, train={"epochs": 9})) == [
        "net (threads=1)", "net (epochs=9, threads=2)",
    ]  # fmt: skip


def test_where_the_scan_comes_from_is_no_difference_unless_another_was_reconstructed():
    assert len(names(run("a", data={"source": "x.npz"}), run("b", seed=1, data={"source": "./x.npz"}))) == 1
    test = {"test": "t.npz"}
    assert names(run("a", data={"source": "x.npz", **test}), run("b", data={"source": "y.npz", **test})) == [
        "net (source=x.npz)", "net (source=y.npz)",
    ]  # fmt: skip


def test_seeds_are_one_row_and_a_run_done_twice_is_two():
    seeds = [run(f"runs/{seed}", seed=seed) for seed in range(3)]
    assert rows_of(seeds) == {"net": tuple(seeds)}
    assert names(*seeds, run("runs/again", seed=0)) == ["net [0]", "net [1]", "net [2]", "net [again]"]


def test_files_are_called_after_themselves_and_by_their_path_if_need_be():
    assert names(Source("a/x.h5", OBJECT), Source("y.npz", OBJECT), run("a")) == ["x.h5", "y.npz", "net"]
    assert names(Source("a/x.h5", OBJECT), Source("b/x.h5", OBJECT)) == ["x.h5 [a/x.h5]", "x.h5 [b/x.h5]"]
    assert names(run("a/r"), run("b/r"), run("c", clip="agc")) == ["net (norm) [a/r]", "net (norm) [b/r]", "net (agc)"]


def test_a_name_stays_readable():
    train = {"epochs": 1, "batch_size": 2, "learning_rate": 0.1, "accumulate": 3, "warmup": 0.5}
    assert names(run("a"), run("b", train=train)) == [
        "net (batch_size=16, learning_rate=0.002, warmup=0.05, accumulate=1)",
        "net (epochs=1, batch_size=2, learning_rate=0.1, warmup=0.5, …)",
    ]
