"""The arms of a study against the truth of the scan that they reconstructed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptycho_host import Host, Run, compare
from ptycho_host.metrics.comparison import ComparedScan, Judgement
from ptycho_studies.tables import Row

FIGURES = {
    **{f"{part}_{key}": (part, key) for part in ("amplitude", "phase") for key in ("ssim", "psnr", "mae")},
    "parameters": ("training", "parameters"),
    "train_seconds": ("training", "seconds"),
    "trained_per_second": ("training", "patterns_per_second"),
    "predicted_per_second": ("reconstruction", "patterns_per_second"),
    "peak_memory_mib": ("training", "peak_memory_mib"),
    "collapsed": ("training", "collapsed"),
}
"""Columns of tables, and where `metrics.json` has their values: block and key."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """An arm's reconstruction, measured in the region that all arms of the same scan have in common."""

    judgement: Judgement
    scan: ComparedScan

    def score(self, part: str, key: str) -> float | None:
        """A figure of merit, such as ("phase", "ssim"); None where it is not defined."""
        value: float | None = (self.judgement.metrics.get(part) or {}).get(key)
        return value

    def figures(self) -> Row:
        """What tables show of an arm."""
        return figures_of(self.judgement.metrics)


def figures_of(metrics: Mapping[str, Any]) -> Row:
    """What tables show of a run's `metrics`: quality against the truth, size, speed, memory, collapse."""
    return {column: (metrics.get(block) or {}).get(key) for column, (block, key) in FIGURES.items()}


def judged(runs: Sequence[Run], host: Host) -> dict[Path, Judged]:
    """Measurements by run directory; runs are judged together where they reconstructed the same scan."""
    together: dict[Any, list[Path]] = {}
    for run in runs:
        data = run.config.data
        simulated = run.config.simulator.model_dump_json() if data.source is None else None
        together.setdefault((data.test or data.source, simulated), []).append(run.path)
    found = {}
    for paths in together.values():
        comparison = compare(paths, host=host)
        for row in comparison.rows:
            for judgement in row.judgements:
                found[Path(judgement.source)] = Judged(judgement, comparison.scans[judgement.scan])
    return found
