"""All Torch generators on one lines scan: ranked after the same epochs, and after the same seconds, of training.

Every generator that can starts from the back-projection of log1p amplitudes, so that networks are compared and not
starts. Runs differ in the seed of training only. Writes GENERATORS.md, and the pages of `ptycho compare` into `--keep`.

    python benchmarks/generators.py --epochs 20 --seconds 60 --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measuring import side_by_side, write_results

if TYPE_CHECKING:
    from ptycho_host.metrics.comparison import Comparison, Score
    from ptycho_host.plugins import Registration

START = {"lift": "backprojection", "input_transform": "log1p"}
PAGE = Path(__file__).parent / "GENERATORS.md"


@dataclass(frozen=True)
class Job:
    """A run to be trained: `budget` is a part of the configuration's train section."""

    generator: dict[str, Any]
    budget: dict[str, float]
    seed: int
    scan: Path
    out: Path


def one(job: Job) -> dict[str, Any]:
    from ptycho_host import train

    config = {
        "data": {"source": str(job.scan)},
        "backend": "torch",
        "generator": job.generator,
        "clip": "agc",
        "seed": job.seed,
        "engine": {"threads": 1},
        "train": job.budget,
    }
    run = train(config, out=job.out)
    return {"label": job.out.name, "parameters": run.bundle.facts["parameters"]}


def torch_generators() -> list[Registration]:
    """Every registered one that predicts patterns, in alphabetical order."""
    from ptycho_host import Host

    entries = Host.discover().registrations("generator")
    chosen = [entry for entry in entries if entry.component.backend == "torch" and entry.component.scope == "pattern"]
    return sorted(chosen, key=lambda entry: entry.component.name)


def started_alike(entry: Registration) -> dict[str, Any]:
    """The generator's table with the common start, as far as it has these options."""
    from ptycho_host.options import OptionSchema

    options = {option.name for option in OptionSchema(entry.load(), entry.label).describe()}
    return {"name": entry.component.name} | {name: value for name, value in START.items() if name in options}


def ranking(comparison: Comparison, parameters: dict[str, int]) -> list[dict[str, Any]]:
    """One row a generator, best first."""

    def score(scores: Any, block: str, key: str) -> dict[str, Any]:
        found: Score = scores[block][key]
        return found.as_json()

    return [
        {
            "rank": row.rank,
            "generator": row.name,
            "runs": len(row.judgements),
            "parameters": parameters[Path(row.judgements[0].source).name],
            "amplitude_ssim": score(row.scores, "amplitude", "ssim"),
            "phase_ssim": score(row.scores, "phase", "ssim"),
            "epochs": score(row.scores, "training", "epochs"),
            "training_patterns_per_second": score(row.scores, "training", "patterns_per_second"),
            "reconstruction_patterns_per_second": score(row.scores, "reconstruction", "patterns_per_second"),
            "collapsed": score(row.scores, "training", "collapsed"),
        }
        for row in comparison.rows
    ]


def shown(score: dict[str, Any], digits: int = 4) -> str:
    """`0.9912 ± 0.0004`, or why there is no figure."""
    if score["mean"] is None:
        return str(score.get("reason", "not defined"))
    spread = "" if score["spread"] is None else f" ± {score['spread']:.{digits}f}"
    return f"{score['mean']:.{digits}f}{spread}"


def table(rows: Iterable[dict[str, Any]]) -> str:
    header = [
        "rank",
        "generator",
        "parameters",
        "amplitude SSIM",
        "phase SSIM",
        "epochs",
        "training, patterns/s",
        "reconstruction, patterns/s",
    ]
    lines = [header, ["---"] * len(header)]
    lines += [
        [
            "–" if row["rank"] is None else str(row["rank"]),
            f"`{row['generator']}`",
            f"{row['parameters']:,}",
            shown(row["amplitude_ssim"]),
            shown(row["phase_ssim"]),
            shown(row["epochs"], 0),
            shown(row["training_patterns_per_second"], 0),
            shown(row["reconstruction_patterns_per_second"], 0),
        ]
        for row in rows
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page(results: dict[str, Any]) -> str:
    """The ranking as Markdown."""
    setting = (
        f"One simulated lines scan, N = {results['pixels']}, {results['patterns']} patterns, step "
        f"{results['step']:g} px; {len(results['seeds'])} seeds of training, one thread a run, "
        f"{results['workers']} at a time; mean ± standard deviation over the seeds. All start from the back-projection "
        "of log1p amplitudes; other options are the defaults, learning rates those that suit a generator. Parameters "
        "are real numbers, a complex weight is two."
    )
    parts = ["# Generators ranked", setting]
    for budget in results["budgets"]:
        notes = "".join(f"\n- {note}" for note in budget["notes"])
        parts += [f"## {budget['title']}", f"{budget['rule'][0].upper()}{budget['rule'][1:]}.", table(budget["rows"])]
        parts += [f"To be kept in mind:\n{notes}"] if notes else []
    parts.append(f"`{results['command']}`, {results['date']}, {results['machine']}.")
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20, help="of the first ranking; 0 leaves it out")
    parser.add_argument("--seconds", type=float, default=60, help="of the second ranking; 0 leaves it out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--generators", nargs="+", help="all that are registered for Torch if not given")
    parser.add_argument("--size", type=int, default=256, help="of the object")
    parser.add_argument("--pixels", type=int, default=64)
    parser.add_argument("--step", type=float, default=6)
    parser.add_argument("--workers", type=int, default=1, help="two share caches and memory bandwidth")
    parser.add_argument("--keep", type=Path, help="new folder for the runs and the pages of the comparisons")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measured(arguments, arguments.keep or Path(folder))
    path = write_results("generators", results)
    PAGE.write_text(page(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


def measured(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train everything in `folder` and compare."""
    from ptycho_host import compare, simulate, write_scan

    options = {"size": arguments.size, "pixels": arguments.pixels, "scan": {"step": arguments.step}}
    path = folder / "scan.npz"
    folder.mkdir(parents=True, exist_ok=True)
    scan = simulate("lines", options)
    write_scan(scan, path)
    entries = [
        entry
        for entry in torch_generators()
        if arguments.generators is None or entry.component.name in arguments.generators
    ]
    budgets: dict[str, dict[str, float]] = {}
    if arguments.epochs:
        budgets[f"The same {arguments.epochs} epochs"] = {"epochs": arguments.epochs}
    if arguments.seconds:
        budgets[f"The same {arguments.seconds:g} seconds"] = {"epochs": 10_000, "time_limit": arguments.seconds}
    rankings = []
    for number, (title, budget) in enumerate(budgets.items(), start=1):
        jobs = [
            Job(started_alike(entry), budget, seed, path, folder / f"{number}-{entry.component.name}-{seed}")
            for entry in entries
            for seed in arguments.seeds
        ]
        trained = side_by_side(one, jobs, arguments.workers)
        comparison = compare([job.out for job in jobs], out=folder / f"comparison-{number}")
        parameters = {row["label"]: row["parameters"] for row in trained}
        rankings.append(
            {
                "title": title,
                "rule": comparison.rule,
                "notes": list(comparison.notes),
                "rows": ranking(comparison, parameters),
            }
        )
    return {
        "pixels": arguments.pixels,
        "step": arguments.step,
        "patterns": scan.count,
        "seeds": arguments.seeds,
        "workers": arguments.workers,
        "budgets": rankings,
    }


if __name__ == "__main__":
    main()
