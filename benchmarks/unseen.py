"""Objects that a network never saw: its error against time, beside a refiner that works by itself.

A network is trained on a scan of the class, with another object, as `ptycho train` does by default; then it
reconstructs the unseen scan, alone and with a refiner after it. The refiner also starts from a uniform object. Seconds
are those of reconstruction on one thread; every number of epochs is a refinement of its own.

    python benchmarks/unseen.py --seeds 0 1 2 --steps 8 16 24 --workers 2 --data siemens_star_64.npz
"""

from __future__ import annotations

import argparse
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curves import equal_time
from measured import explained, halves
from measuring import as_they_come, write_results

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ptycho_host import Reconstruction, Scan
    from ptycho_host.workflows.assembly import Assembly

SIZE = 392
REFINER = "lsq_ml"
CLASSES = ("lines", "natural", "cells")
MEASURED = "star"
PICTURES = (("camera", "chelsea"), ("coffee", "camera"), ("chelsea", "coffee"))
"""Amplitude and phase of the photographs that networks are trained on; judged are an astronaut and coins."""
OTHER = 100
"""Added to a seed, so that training sees other objects, and other photons."""


@dataclass(frozen=True)
class Job:
    """A network to train on scans of one step and class, or the refiner alone (no network); both judged unseen."""

    sample: str
    step: int
    seed: int
    epochs: tuple[int, ...]
    network: str | None = None
    shown: int | None = None
    seconds: float | None = None
    device: str = "cpu"
    data: Path | None = None

    def named(self) -> dict[str, Any]:
        """What tells the row of this job from others."""
        label = f"{self.sample}, {self.step} px, seed {self.seed}, {self.network or REFINER}"
        return {"label": label, "sample": self.sample, "step": self.step, "seed": self.seed, "network": self.network}


@dataclass(frozen=True)
class Task:
    """The scan to reconstruct, the scan whose patterns or truth judge it, and how many patterns of what train."""

    scan: Scan
    judge: Scan
    patterns: int
    training: dict[str, Any]
    reference: dict[str, float] | None = None


def simulated(job: Job) -> Task:
    from ptycho_host import simulate

    name = "image" if job.sample == "natural" else job.sample
    options = {"size": SIZE, "pixels": 64, "photons": 1e9, "scan": {"step": job.step}}
    scan = simulate(name, options, seed=job.seed)
    if job.sample == "natural":
        options |= dict(zip(("amplitude", "phase"), PICTURES[job.seed % len(PICTURES)], strict=True))
    return Task(scan, scan, scan.count, {"simulator": {"name": name, **options}, "seed": OTHER + job.seed})


def measured(job: Job, folder: Path) -> Task:
    """The left half of a measured scan to train on, the right one, thinned to the step, to reconstruct.

    All patterns of the right half judge, so where it was thinned most of them are new to every method.
    """
    from ptycho_host import load_scan, write_scan

    scan = load_scan(job.data or "siemens_star")
    left, right = halves(scan)
    write_scan(left, folder / "left.npz")
    thinned = right.subset(thinned_to(right.positions, job.step))
    return Task(
        thinned,
        right,
        left.count,
        {"data": {"source": str(folder / "left.npz")}, "seed": job.seed},
        explained(scan.reference, right),
    )


def thinned_to(positions: NDArray[np.float64], step: float) -> NDArray[np.int64]:
    """Positions (M, 2) nearest to the points of a square lattice; all where the scan is no denser than that."""
    import numpy as np
    from scipy.spatial import cKDTree

    lowest, spans = positions.min(axis=0), np.ptp(positions, axis=0)
    if len(positions) * step**2 <= 1.5 * spans.prod():
        return np.arange(len(positions))
    axes = [
        low + (span - step * (count - 1)) / 2 + step * np.arange(count)
        for low, span, count in zip(lowest, spans, (spans // step).astype(int) + 1, strict=True)
    ]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    nearest: NDArray[np.int64] = np.unique(cKDTree(positions).query(points)[1])
    return nearest


def measure(job: Job) -> dict[str, Any]:
    """Train if there is a network, then one point of the curve for each number of epochs."""
    with tempfile.TemporaryDirectory() as folder:
        task = measured(job, Path(folder)) if job.sample == MEASURED else simulated(job)
        row = {**job.named(), "patterns": task.scan.count, "reference": task.reference}
        warm_up(task.scan)
        if job.network is None:
            return row | {"points": [refinement(task, None, epochs) for epochs in job.epochs]}
        made, training = trained_and_applied(job, task, Path(folder) / "run")
    network = point(task, made, 0, made.seconds)
    refined = [refinement(task, made, epochs) for epochs in job.epochs]
    return row | {"training": training, "points": [network, *refined]}


def trained_and_applied(job: Job, task: Task, folder: Path) -> tuple[Assembly, dict[str, Any]]:
    from ptycho_host import Run, train

    # The defaults, unless something else is asked for.
    schedule: dict[str, Any] = {}
    if job.shown is not None:
        schedule["epochs"] = math.ceil(job.shown / task.patterns)
    if job.seconds is not None:
        schedule["time_limit"] = job.seconds
    engine = {"threads": 1, "device": job.device}
    config = {**task.training, "generator": job.network, "engine": engine, "train": schedule}
    run = train(config, out=folder)
    wanted = ("epochs", "seconds", "patterns_per_second", "collapsed")
    training = {name: run.metrics["training"][name] for name in wanted}
    # Wherever it was trained, it is timed on one thread of the CPU.
    return Run.open(folder, settings=["engine.device=cpu"]).assemble(task.scan), training


def warm_up(scan: Scan) -> None:
    """Let the libraries load what they load at first use, which is nobody's time of reconstruction."""
    import numpy as np

    few = scan.subset(np.arange(min(32, scan.count)))
    refined_by(few, None, 1)


def refined_by(scan: Scan, start: Reconstruction | None, epochs: int) -> Assembly:
    from ptycho_host import Host
    from ptycho_host.report.progress import SilentProgress
    from ptycho_host.workflows.refine import configure_refiner, refined

    choice = {"name": REFINER, "epochs": epochs, "threads": 1, "device": "cpu"}
    return refined(scan, configure_refiner(Host.discover(), choice), start, SilentProgress())


def refinement(task: Task, start: Assembly | None, epochs: int) -> dict[str, Any]:
    """A point of the curve: the refiner from a network's object or, without one, from a uniform object."""
    made = refined_by(task.scan, start and start.reconstruction, epochs)
    return point(task, made, epochs, made.seconds + (start.seconds if start else 0))


def point(task: Task, made: Assembly, epochs: int, seconds: float) -> dict[str, Any]:
    from ptycho_host.workflows.evaluation import evaluate

    figures = evaluate(made, task.judge).metrics.as_json()
    found = {"epochs": epochs, "seconds": seconds}
    found |= {name: figures["diffraction"][name] for name in ("correlation", "residual")}
    for part in ("amplitude", "phase") if task.judge.truth is not None else ():
        found |= {f"{part}_{name}": figures[part][name] for name in ("ssim", "mae")}
    return found


def jobs_of(arguments: argparse.Namespace) -> list[Job]:
    """The longest ones first, so that none is left over at the end."""
    jobs = []
    for sample in arguments.samples:
        measured_one = sample == MEASURED
        networks = [*arguments.networks, *(["unrolled"] if sample == "natural" else [])]
        for step in arguments.steps:
            seeds = arguments.seeds if sample == arguments.samples[0] else arguments.seeds[: arguments.other_seeds]
            for seed in seeds:
                common = {"sample": sample, "step": step, "seed": seed, "data": arguments.data}
                # A measured scan is the same under every seed, a picture too.
                if seed == seeds[0] or not (measured_one or sample == "natural"):
                    jobs.append(Job(epochs=tuple(arguments.alone), **common))
                trained = {"shown": arguments.shown, "seconds": arguments.seconds, "device": arguments.device}
                jobs += [Job(epochs=tuple(arguments.epochs), network=name, **common, **trained) for name in networks]
    return sorted(jobs, key=lambda job: (job.network is None, job.step))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", nargs="+", choices=[*CLASSES, MEASURED], default=[*CLASSES, MEASURED])
    parser.add_argument("--steps", type=int, nargs="+", default=[8, 16, 24], help="of the raster, object pixels")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the first sample")
    parser.add_argument("--other-seeds", type=int, default=1, help="how many of them for the other samples")
    parser.add_argument("--networks", nargs="+", default=["stable_hybrid"], help="`unrolled` too for the natural one")
    parser.add_argument("--shown", type=int, help="patterns shown in training; the default unless given")
    parser.add_argument("--seconds", type=float, help="limit of each training; none unless given")
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 2, 5, 10, 20], help="after a network")
    parser.add_argument("--alone", type=int, nargs="+", default=[1, 2, 5, 10, 20, 50], help="without one")
    parser.add_argument("--data", type=Path, help="measured scan; the embedded one unless given")
    parser.add_argument("--device", default="cpu", help="to train on; all times of reconstruction are the CPU's")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--name", default="unseen", help="of the results")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    content = {"size": SIZE, "refiner": REFINER, "device": arguments.device, "rows": rows}
    for job, result in as_they_come(measure, jobs_of(arguments), arguments.workers):
        rows.append(job.named() | result)
        path = write_results(arguments.name, content)
    print(*equal_time(rows), path, sep="\n")


if __name__ == "__main__":
    main()
