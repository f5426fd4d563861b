"""Both back-ends on one scan: the networks of the field beside ours, as many epochs for each, one comparison.

The second part trains `pinn` on 5,184 patterns and reconstructs them all, from end to end.

    python benchmarks/backends.py
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from measuring import scores, side_by_side, write_results

SMALL = {"n_filters_scale": 1}
"""Half the filters of the reference system, a quarter of the weights: a run takes minutes on one core."""
ARMS: dict[str, dict[str, Any]] = {
    "stable_hybrid": {"generator": "stable_hybrid", "clip": "agc"},
    "hybrid": {"generator": "hybrid"},
    "pinn": {"backend": "tensorflow", "generator": {"name": "pinn", **SMALL}},
    "pinn without lift": {"backend": "tensorflow", "generator": {"name": "pinn", "lift": "none", **SMALL}},
    "baseline": {"backend": "tensorflow", "generator": {"name": "baseline", **SMALL}, "loss": "amplitude_phase"},
}
LARGE = {"name": "lines", "size": 348, "scan": {"step": 4}}
"""72 x 72 positions, 64 x 64 pixels."""


def one(job: tuple[str, dict[str, Any], Path]) -> dict[str, Any]:
    from ptycho_host import Run, train

    label, config, folder = job
    finished = (folder / "metrics.json").is_file()
    run = Run.open(folder) if finished else train({"engine": {"threads": 1}, **config}, out=folder)
    metrics = run.metrics
    return {
        "label": label,
        "run": str(folder),
        "epochs": metrics["training"]["epochs"],
        "training_seconds": metrics["training"]["seconds"],
        "collapsed": metrics["training"]["collapsed"],
        **scores(metrics),
    }


def main() -> None:
    from ptycho_host import compare

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for runs, kept for the next time, and comparison")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        folder = arguments.keep or Path(passing)
        jobs = [
            (
                label,
                {**config, "train": {"epochs": arguments.epochs}},
                folder / label.replace(", ", "_").replace(" ", "_"),
            )
            for label, config in ARMS.items()
        ]
        large = {**ARMS["pinn"], "simulator": LARGE, "train": {"epochs": 1}}
        *rows, scaled = side_by_side(one, [*jobs, ("pinn, 5,184 patterns", large, folder / "large")], arguments.workers)
        comparison = compare([row.pop("run") for row in rows], out=folder / "comparison")
        scaled.pop("run")
    ranks = {Path(judged.source).name: row.rank for row in comparison.rows for judged in row.judgements}
    for row, (_, _, place) in zip(rows, jobs, strict=True):
        row["rank"] = ranks[place.name]
    print(write_results("backends", {"rows": rows, "scaled": scaled, "rule": comparison.rule}))


if __name__ == "__main__":
    main()
