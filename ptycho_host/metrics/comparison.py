"""Several reconstructions judged alike: one row a method, mean and spread over its runs, and a rank."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from ptycho_host.metrics.alignment import Complex
from ptycho_host.metrics.frc import FRCCurve
from ptycho_host.metrics.region import Region

BLOCKS = ("amplitude", "phase", "diffraction", "training", "reconstruction")
"""Blocks of `metrics.json` of which means are taken."""


@dataclass(frozen=True, slots=True)
class Score:
    """A quantity over the runs of a row: its mean, and their standard deviation (n - 1) where there are several.

    The mean of a truth value is the fraction of runs for which it holds. A quantity that is not defined for one of
    the runs has no mean, and `reason` says why: without its failures a method would look better than it is.
    """

    mean: float | None
    spread: float | None = None
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """`{"mean", "spread"}`, and `reason` where there is one."""
        return {"mean": self.mean, "spread": self.spread} | ({"reason": self.reason} if self.reason else {})


Scores = Mapping[str, Mapping[str, Score]]
"""Block, key: as in `metrics.json`, with a Score for each value."""


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """One reconstruction, measured as all others of a comparison.

    source: path of the run or file. seed: the run's, None for a file. scan: index into `Comparison.scans`. metrics:
    as in `metrics.json`. object: (H, W) complex64, aligned. curves: Fourier ring correlations with the truth.
    """

    source: str
    seed: int | None
    scan: int
    metrics: Mapping[str, Any]
    object: Complex = field(repr=False)
    curves: Mapping[str, FRCCurve] = field(default_factory=dict, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Where it comes from and all its figures."""
        return {"source": self.source, "seed": self.seed, "scan": self.scan, **self.metrics}


@dataclass(frozen=True, slots=True, eq=False)
class ComparisonRow:
    """A method: the runs that differ in nothing but the seed, or one file. `rank` is None where it has no figure."""

    name: str
    rank: int | None
    judgements: tuple[Judgement, ...]
    scores: Scores = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Rank, means and spreads, and every run by itself."""
        return {
            "rank": self.rank,
            "name": self.name,
            "runs": len(self.judgements),
            **{block: {key: score.as_json() for key, score in scores.items()} for block, scores in self.scores.items()},
            "judged": [judgement.as_json() for judgement in self.judgements],
        }


@dataclass(frozen=True, slots=True, eq=False)
class ComparedScan:
    """What the reconstructions were judged by: `truth` (H, W) and the region that is common to all of them."""

    name: str
    origin: str
    region: Region
    truth: Complex | None = field(default=None, repr=False)
    pixel_m: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Name, where it comes from, region, and whether the true object is known."""
        return {
            "name": self.name,
            "origin": self.origin,
            "region": self.region.as_json(),
            "truth_known": self.truth is not None,
        }


@dataclass(frozen=True, slots=True)
class Criterion:
    """What rows are ranked by; `better` is 1 where more is better, -1 where less is. `rule` says it in words."""

    block: str
    key: str
    better: int
    rule: str


CRITERIA = (
    Criterion(
        "phase", "ssim", 1, "ranked by phase SSIM, higher is better: it tells methods apart where amplitude saturates"
    ),
    Criterion("amplitude", "ssim", 1, "ranked by amplitude SSIM, higher is better: no phase SSIM is defined"),
    Criterion(
        "diffraction", "residual", -1, "ranked by diffraction residual, lower is better: no true object is known"
    ),
)
"""The first of them that any row has decides."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Rows, best first; what they were ranked and judged by; remarks; and the folder if files were written."""

    rows: tuple[ComparisonRow, ...]
    criterion: Criterion | None
    scans: tuple[ComparedScan, ...]
    notes: tuple[str, ...] = ()
    register: bool = False
    remove_plane: bool = False
    path: Path | None = None

    @property
    def rule(self) -> str:
        """The rule of the ranking in words."""
        if self.criterion is None:
            return "not ranked: no figure of merit is defined"
        several = any(len(row.judgements) > 1 for row in self.rows)
        return self.criterion.rule + ("; mean over the runs of a row" if several else "")

    @property
    def shown(self) -> int:
        """Index of the scan that figures show: the one that most rows were judged by."""
        covered = [sum(_on(row, index) is not None for row in self.rows) for index in range(len(self.scans))]
        return covered.index(max(covered))

    def examples(self) -> dict[str, Judgement]:
        """One reconstruction of the shown scan a row, that of the lowest seed; rows without one are left out."""
        found = {row.name: _on(row, self.shown) for row in self.rows}
        return {name: judgement for name, judgement in found.items() if judgement is not None}

    def as_json(self) -> dict[str, Any]:
        """Plain values, every number finite: the content of `comparison.json`."""
        criterion = self.criterion
        return {
            "rule": self.rule,
            "ranked_by": f"{criterion.block}.{criterion.key}" if criterion is not None else None,
            "alignment": {"register": self.register, "remove_plane": self.remove_plane},
            "scans": [scan.as_json() for scan in self.scans],
            "notes": list(self.notes),
            "rows": [row.as_json() for row in self.rows],
        }


def ranked(rows: Mapping[str, Sequence[Judgement]]) -> tuple[tuple[ComparisonRow, ...], Criterion | None]:
    """Rows from the judgements of each method by name, best first, and the criterion that decided.

    Equal figures share a rank; a row without the figure comes last and has no rank.
    """
    scores = {name: summarise([judgement.metrics for judgement in judged]) for name, judged in rows.items()}
    criterion = next((one for one in CRITERIA if any(_value(each, one) is not None for each in scores.values())), None)
    values = {name: None if criterion is None else _value(each, criterion) for name, each in scores.items()}
    known = [value for value in values.values() if value is not None]
    placed = [
        ComparisonRow(
            name=name,
            rank=None if value is None else 1 + sum(other > value for other in known),
            judgements=tuple(sorted(rows[name], key=lambda judgement: (judgement.scan, judgement.seed or 0))),
            scores=scores[name],
        )
        for name, value in values.items()
    ]
    return tuple(sorted(placed, key=lambda row: math.inf if row.rank is None else row.rank)), criterion


def summarise(metrics: Sequence[Mapping[str, Any]]) -> Scores:
    """Mean and spread of every number in the `metrics` of several runs."""
    return {
        block: {
            key: _score([part.get(block) or {} for part in metrics], key)
            for key in dict.fromkeys(key for part in metrics for key in part.get(block) or {})
            if key != "reasons"
        }
        for block in BLOCKS
        if any(part.get(block) for part in metrics)
    }


def close_ranks(rows: Iterable[ComparisonRow], criterion: Criterion) -> list[tuple[str, str]]:
    """Names of neighbouring rows whose figures differ by less than they scatter over seeds."""
    ordered = [(row.name, row.scores[criterion.block][criterion.key]) for row in rows if row.rank is not None]
    close = []
    for (name, upper), (next_name, lower) in pairwise(ordered):
        assert upper.mean is not None
        assert lower.mean is not None
        spread = max(score.spread or 0.0 for score in (upper, lower))
        if 0 < abs(upper.mean - lower.mean) < spread:
            close.append((name, next_name))
    return close


def _score(blocks: Sequence[Mapping[str, Any]], key: str) -> Score:
    values = [block.get(key) for block in blocks]
    for block, value in zip(blocks, values, strict=True):
        if value is None:
            reason = (block.get("reasons") or {}).get(key) or "not known"
            undefined = sum(other is None for other in values)
            several = f" (in {undefined} of {len(values)} runs)" if len(values) > 1 else ""
            return Score(None, None, f"{reason}{several}")
    numbers = [float(value) for value in values if value is not None]
    return Score(fmean(numbers), stdev(numbers) if len(numbers) > 1 else None)


def _value(scores: Scores, criterion: Criterion) -> float | None:
    """The row's figure, turned so that more is better."""
    score = scores.get(criterion.block, {}).get(criterion.key)
    return None if score is None or score.mean is None else criterion.better * score.mean


def _on(row: ComparisonRow, scan: int) -> Judgement | None:
    return next((judgement for judgement in row.judgements if judgement.scan == scan), None)
