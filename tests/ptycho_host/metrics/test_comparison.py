"""Means, spreads and ranks of judged reconstructions."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ptycho_host.metrics.comparison import (
    CRITERIA,
    ComparedScan,
    Comparison,
    Judgement,
    Score,
    close_ranks,
    ranked,
    summarise,
)
from ptycho_host.metrics.region import Region

OBJECT = np.ones((4, 4), np.complex64)


def judged(metrics: dict[str, Any], *, seed: int | None = 0, scan: int = 0) -> Judgement:
    return Judgement(f"runs/{seed}", seed, scan, metrics, OBJECT)


def phase(*values: float | None) -> list[Judgement]:
    reasons = {"reasons": {"ssim": "the reconstructed phase is not finite"}}
    return [
        judged({"phase": {"ssim": value, **(reasons if value is None else {})}}, seed=seed)
        for seed, value in enumerate(values)
    ]


def test_mean_and_sample_standard_deviation() -> None:
    values = [0.9, 0.7, 0.85]
    score = summarise([{"amplitude": {"ssim": value}} for value in values])["amplitude"]["ssim"]
    assert score.mean == pytest.approx(np.mean(values), rel=1e-12)
    assert score.spread == pytest.approx(np.std(values, ddof=1), rel=1e-12)


def test_one_run_has_no_spread() -> None:
    assert summarise([{"amplitude": {"ssim": 0.5}}]) == {"amplitude": {"ssim": Score(0.5)}}


def test_truth_values_become_a_fraction() -> None:
    runs = [{"training": {"collapsed": value}} for value in (True, False, False, False)]
    assert summarise(runs)["training"]["collapsed"].mean == 0.25


def test_a_failed_run_leaves_no_mean_but_a_reason() -> None:
    score = summarise([judgement.metrics for judgement in phase(0.9, None, 0.8)])["phase"]["ssim"]
    assert score == Score(None, None, "the reconstructed phase is not finite (in 1 of 3 runs)")
    absent = summarise([{"training": {"parameters": 3}}, {"training": {}}])["training"]["parameters"]
    assert (absent.mean, absent.reason) == (None, "not known (in 1 of 2 runs)")


def test_rows_are_ranked_best_first_and_equal_ones_share_a_rank() -> None:
    rows, criterion = ranked(
        {"low": phase(0.1), "none": phase(None), "high": phase(0.9), "same": phase(0.9), "middle": phase(0.4, 0.6)}
    )
    assert criterion is CRITERIA[0]
    assert [(row.name, row.rank) for row in rows] == [
        ("high", 1), ("same", 1), ("middle", 3), ("low", 4), ("none", None),
    ]  # fmt: skip


def test_amplitude_decides_where_no_phase_is_defined_and_patterns_where_no_truth_is() -> None:
    flat = {"phase": {"ssim": None, "reasons": {"ssim": "the true phase is flat"}}}
    rows, criterion = ranked(
        {name: [judged({**flat, "amplitude": {"ssim": ssim}})] for name, ssim in (("a", 0.3), ("b", 0.8))}
    )
    assert criterion is CRITERIA[1]
    assert [row.name for row in rows] == ["b", "a"]
    rows, criterion = ranked(
        {name: [judged({"diffraction": {"residual": value}})] for name, value in (("a", 0.2), ("b", 0.1))}
    )
    assert criterion is CRITERIA[2]
    assert [row.name for row in rows] == ["b", "a"], "a smaller residual is better"


def test_nothing_to_rank_by_ranks_nothing() -> None:
    rows, criterion = ranked({"a": [judged({})], "b": [judged({})]})
    assert criterion is None
    assert [row.rank for row in rows] == [None, None]
    assert Comparison(rows, criterion, ()).rule == "not ranked: no figure of merit is defined"


def test_neighbours_within_their_spread_are_told() -> None:
    rows, criterion = ranked({"a": phase(0.90, 0.94), "b": phase(0.89, 0.93), "c": phase(0.2, 0.21), "d": phase(0.1)})
    assert criterion is not None
    # 0.92 and 0.91 scatter by 0.028; 0.205 and 0.1 by 0.007.
    assert close_ranks(rows, criterion) == [("a", "b")]


def test_figures_show_the_scan_of_most_rows_and_its_lowest_seed() -> None:
    metrics = {"phase": {"ssim": 0.5}}
    rows, criterion = ranked(
        {
            "a": [judged(metrics, seed=2, scan=1), judged(metrics, seed=1, scan=1), judged(metrics, seed=0, scan=0)],
            "b": [judged(metrics, seed=1, scan=1)],
        }
    )
    scans = tuple(ComparedScan(name, name, Region((0, 4), (0, 4))) for name in ("first", "second"))
    comparison = Comparison(rows, criterion, scans)
    assert comparison.shown == 1
    assert {name: judgement.seed for name, judgement in comparison.examples().items()} == {"a": 1, "b": 1}
    assert comparison.rule.endswith("; mean over the runs of a row")


def test_json_holds_means_and_every_run() -> None:
    rows, criterion = ranked({"a": phase(0.5, 0.7), "b": phase(None)})
    scans = (ComparedScan("s", "file.npz", Region((0, 4), (1, 3)), OBJECT),)
    content = json.loads(json.dumps(Comparison(rows, criterion, scans, ("note",)).as_json(), allow_nan=False))
    assert content["ranked_by"] == "phase.ssim"
    assert content["scans"] == [
        {"name": "s", "origin": "file.npz", "region": {"rows": [0, 4], "columns": [1, 3]}, "truth_known": True}
    ]
    first, second = content["rows"]
    assert (first["rank"], first["runs"]) == (1, 2)
    assert first["phase"]["ssim"]["mean"] == pytest.approx(0.6)
    assert [run["phase"]["ssim"] for run in first["judged"]] == [0.5, 0.7]
    assert second["phase"]["ssim"] == {
        "mean": None, "spread": None, "reason": "the reconstructed phase is not finite",
    }  # fmt: skip
