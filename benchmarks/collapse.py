"""Collapsed runs of a generator: seeds x depths x losses x clippers x stabilisers, on a small lines scan.

One run of each seed is not trained: what all of them start from, and must improve on. Started again with the same
settings it adds the runs that are missing.

    python benchmarks/collapse.py --seeds 4 --epochs 6
    python benchmarks/collapse.py --generator unrolled --depths 3 5 --name collapse_unrolled
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from itertools import product
from typing import Any

from measuring import RESULTS, as_they_come, forget_peak_memory, trained, write_results

UNTRAINED = {"epochs": 1, "learning_rate": 1e-12}
"""One pass that changes nothing."""
DEPTHS = {"stable_hybrid": "blocks", "unrolled": "stages"}
"""The option that says how deep a generator is."""


@dataclass(frozen=True)
class Job:
    """A run; without `epochs` it is not trained."""

    generator: str
    seed: int
    depth: int
    loss: str
    clip: str
    stabiliser: str
    epochs: int | None
    size: int
    device: str

    @property
    def label(self) -> str:
        said = f"seed {self.seed}, depth {self.depth}, {self.loss}, {self.clip}, {self.stabiliser}"
        return said if self.epochs else f"{said}, not trained"


def one(job: Job) -> dict[str, Any]:
    forget_peak_memory()
    result = trained(
        {
            "simulator": {"name": "lines", "size": job.size},
            "generator": {"name": job.generator, DEPTHS[job.generator]: job.depth, "stabiliser": job.stabiliser},
            "loss": job.loss,
            "clip": job.clip,
            "seed": job.seed,
            "engine": {"threads": 1, "device": job.device},
            "train": {"epochs": job.epochs} if job.epochs else UNTRAINED,
        }
    )
    metrics, history = result["metrics"], result["history"]
    return {
        "label": job.label,
        "collapsed_epochs": result["collapsed_epochs"],
        "setbacks": result["facts"].get("setbacks", 0),
        "parameters": result["facts"]["parameters"],
        "first_loss": history[0].training_loss,
        "last_loss": history[-1].training_loss,
        "largest_gradient_norm": max(report.gradient_norm for report in history),
        "amplitude_ssim": metrics["amplitude"]["ssim"],
        "phase_ssim": metrics["phase"]["ssim"],
        "peak_memory_mib": metrics["training"]["peak_memory_mib"],
        "seconds": metrics["training"]["seconds"],
    }


def jobs_of(arguments: argparse.Namespace) -> Iterator[Job]:
    """Seed after seed, so that a campaign which is cut short has as many of all combinations."""
    name, size, device, deepest = arguments.generator, arguments.size, arguments.device, max(arguments.depths)
    for seed in range(arguments.seeds):
        yield Job(name, seed, deepest, arguments.losses[0], "none", "zero_gamma", None, size, device)
        for depth, loss, clip, stabiliser in product(
            sorted(arguments.depths, reverse=True), arguments.losses, arguments.clips, arguments.stabilisers
        ):
            yield Job(name, seed, depth, loss, clip, stabiliser, arguments.epochs, size, device)


def done_before(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The runs that the file of results has already, if they are of these settings."""
    path = RESULTS / f"{arguments.name}.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if any(found.get(name) != getattr(arguments, name) for name in ("generator", "epochs", "size", "device")):
        return []
    return [row for row in found["untrained"] + found["rows"] if "error" not in row]


def job_of(row: dict[str, Any]) -> Job:
    return Job(**{field.name: row[field.name] for field in fields(Job)})


def content(arguments: argparse.Namespace, found: dict[Job, dict[str, Any]]) -> dict[str, Any]:
    """What is written: settings, counts and rows in the order of the jobs."""
    rows = [found[job] for job in sorted(found, key=lambda job: job.label) if job.epochs]
    finished = [row for row in rows if "error" not in row]
    return {
        "generator": arguments.generator,
        "depths": DEPTHS[arguments.generator],
        "epochs": arguments.epochs,
        "size": arguments.size,
        "device": arguments.device,
        "collapsed": sum(bool(row["collapsed_epochs"]) for row in finished),
        "failed": len(rows) - len(finished),
        "untrained": [row for job, row in found.items() if not job.epochs],
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", choices=DEPTHS, default="stable_hybrid")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--size", type=int, default=128, help="of the object")
    parser.add_argument("--depths", type=int, nargs="+", default=[4, 6, 8])
    parser.add_argument("--losses", nargs="+", default=["mae", "poisson"])
    parser.add_argument("--clips", nargs="+", default=["agc", "norm", "none"])
    parser.add_argument("--stabilisers", nargs="+", default=["zero_gamma", "layer_scale"])
    parser.add_argument("--name", default="collapse", help="of the results")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--until", type=float, help="seconds after which no run is begun")
    arguments = parser.parse_args()
    rows = {job_of(row): row for row in done_before(arguments)}
    missing = [job for job in jobs_of(arguments) if job not in rows]
    # To begin with a process, or with a GPU, takes as long as a short run: they are kept.
    for job, result in as_they_come(one, missing, arguments.workers, jobs_a_process=None, seconds=arguments.until):
        rows[job] = {"label": job.label} | asdict(job) | result
        write_results(arguments.name, content(arguments, rows))


if __name__ == "__main__":
    main()
