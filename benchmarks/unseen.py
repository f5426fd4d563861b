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

    from ptycho_host import Run, Scan
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
    """A network to train on a scan of one class and the first step, or the refiner alone; judged unseen at all steps.

    network: None for the refiner alone. shown, seconds: patterns and time of training; None for the default, no limit.
    run: a finished one to be judged instead of training.
    """

    sample: str
    steps: tuple[int, ...]
    seed: int
    epochs: tuple[int, ...]
    network: str | None = None
    shown: int | None = None
    seconds: float | None = None
    device: str = "cpu"
    data: Path | None = None
    run: Path | None = None

    def named(self) -> dict[str, Any]:
        """What tells this job from others."""
        steps = "/".join(map(str, self.steps))
        label = f"{self.sample}, {steps} px, seed {self.seed}, {self.network or REFINER}"
        return {"label": label, "sample": self.sample, "seed": self.seed, "network": self.network}


@dataclass(frozen=True)
class Task:
    """A scan to reconstruct, and the scan whose patterns and truth judge it."""

    scan: Scan
    judge: Scan
    reference: dict[str, float] | None = None


def options_of(sample: str, step: int) -> tuple[str, dict[str, Any]]:
    """Simulator and options of a class."""
    name = "image" if sample == "natural" else sample
    return name, {"size": SIZE, "pixels": 64, "photons": 1e9, "scan": {"step": step}}


def unseen(job: Job, step: int) -> Task:
    """What is reconstructed.

    Of a measured scan that is the right half, thinned to the step; all patterns of that half judge, so where it was
    thinned most of them are new to every method.
    """
    from ptycho_host import load_scan, simulate

    if job.sample == MEASURED:
        scan = load_scan(job.data or "siemens_star")
        right = halves(scan)[1]
        thinned = right.subset(thinned_to(right.positions, step))
        return Task(thinned, right, explained(scan.reference, right))
    name, options = options_of(job.sample, step)
    scan = simulate(name, options, seed=job.seed)
    return Task(scan, scan)


def training_of(job: Job, folder: Path) -> tuple[dict[str, Any], int]:
    """The configuration's part that says what to train on, and how many patterns that are."""
    from ptycho_host import load_scan, simulate, write_scan

    if job.sample == MEASURED:
        left = halves(load_scan(job.data or "siemens_star"))[0]
        write_scan(left, folder / "left.npz")
        return {"data": {"source": str(folder / "left.npz")}, "seed": job.seed}, left.count
    name, options = options_of(job.sample, job.steps[0])
    if job.sample == "natural":
        options |= dict(zip(("amplitude", "phase"), PICTURES[job.seed % len(PICTURES)], strict=True))
    seed = OTHER + job.seed
    return {"simulator": {"name": name, **options}, "seed": seed}, simulate(name, options, seed=seed).count


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
    """Train if there is a network; then a curve for each step, with a point for each number of epochs."""
    curves = []
    with tempfile.TemporaryDirectory() as folder:
        run = trained(job, Path(folder)) if job.network is not None else None
        for step in job.steps:
            task = unseen(job, step)
            row = {"step": step, "patterns": task.scan.count, "reference": task.reference}
            warm_up(task.scan)
            points = [] if run is None else [point(task, run.assemble(task.scan), 0)]
            points += [point(task, refinement(task.scan, run, epochs), epochs) for epochs in job.epochs]
            curves.append(row | {"points": points})
        if run is None:
            return {"label": job.named()["label"], "curves": curves}
        wanted = ("epochs", "seconds", "patterns_per_second", "collapsed")
        training = {"step": job.steps[0]} | {name: run.metrics["training"][name] for name in wanted}
    return {"label": job.named()["label"], "curves": [curve | {"training": training} for curve in curves]}


def trained(job: Job, folder: Path) -> Run:
    """The run as it would be opened later: wherever it was trained, it reconstructs on one thread of the CPU."""
    from ptycho_host import Run, train

    if job.run is not None:
        return Run.open(job.run, settings=["engine.device=cpu"])
    what, patterns = training_of(job, folder)
    # The defaults, unless something else is asked for.
    schedule: dict[str, Any] = {}
    if job.shown is not None:
        schedule["epochs"] = math.ceil(job.shown / patterns)
    if job.seconds is not None:
        schedule["time_limit"] = job.seconds
    engine = {"threads": 1, "device": job.device}
    train({**what, "generator": job.network, "engine": engine, "train": schedule}, out=folder / "run")
    return Run.open(folder / "run", settings=["engine.device=cpu"])


def warm_up(scan: Scan) -> None:
    """Let the libraries load what they load at first use, which is nobody's time of reconstruction."""
    import numpy as np

    refinement(scan.subset(np.arange(min(32, scan.count))), None, 1)


def refinement(scan: Scan, run: Run | None, epochs: int) -> Assembly:
    """What `ptycho reconstruct --refine` does: a network and the refiner, or the refiner from a uniform object."""
    from ptycho_host import Host
    from ptycho_host.config import ComponentChoice
    from ptycho_host.report.progress import SilentProgress
    from ptycho_host.workflows.refine import configure_refiner, refined

    choice = ComponentChoice(name=REFINER, options={"epochs": epochs, "threads": 1, "device": "cpu"})
    if run is not None:
        return run.assemble(scan, refiner=choice)
    return refined(scan, configure_refiner(Host.discover(), choice), None, SilentProgress())


def point(task: Task, made: Assembly, epochs: int) -> dict[str, Any]:
    """A point of a curve: seconds and figures of merit."""
    from ptycho_host.workflows.evaluation import evaluate

    figures = evaluate(made, task.judge).metrics.as_json()
    found: dict[str, Any] = {"epochs": epochs, "seconds": made.seconds}
    found |= {name: figures["diffraction"][name] for name in ("correlation", "residual")}
    for part in ("amplitude", "phase") if task.judge.truth is not None else ():
        found |= {f"{part}_{name}": figures[part][name] for name in ("ssim", "mae")}
    return found


def jobs_of(arguments: argparse.Namespace) -> list[Job]:
    """The longest ones first, so that none is left over at the end."""
    each = [(step,) for step in arguments.steps]
    trainings = [tuple(arguments.steps)] if arguments.train_once else each
    alone, networks = [], []
    for sample in arguments.samples:
        for seed in arguments.seeds:
            common = {"sample": sample, "seed": seed, "data": arguments.data}
            schedule = {name: getattr(arguments, name) for name in ("shown", "seconds", "device", "run")}
            networks += [
                Job(steps=steps, epochs=tuple(arguments.epochs), network=name, **common, **schedule)
                for steps in trainings
                for name in arguments.networks
            ]
            # A measured scan is the same under every seed, and so are photographs.
            if arguments.alone and (seed == arguments.seeds[0] or sample in ("lines", "cells")):
                alone += [Job(steps=steps, epochs=tuple(arguments.alone), **common) for steps in each]
    return [*sorted(networks, key=lambda job: job.steps), *sorted(alone, key=lambda job: job.steps)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", nargs="+", choices=[*CLASSES, MEASURED], default=[*CLASSES, MEASURED])
    parser.add_argument("--steps", type=int, nargs="+", default=[8, 16, 24], help="of the raster, object pixels")
    parser.add_argument("--train-once", action="store_true", help="at the first step, and not at each one")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--networks", nargs="*", default=["unrolled"], help="generators")
    parser.add_argument("--shown", type=int, help="patterns shown in training; the default unless given")
    parser.add_argument("--seconds", type=float, help="limit of each training; none unless given")
    parser.add_argument("--run", type=Path, help="a finished run of the network, instead of training")
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 2, 5, 10, 20], help="after a network")
    parser.add_argument("--alone", type=int, nargs="*", default=[1, 2, 5, 10, 20, 50], help="without one")
    parser.add_argument("--data", type=Path, help="measured scan; the embedded one unless given")
    parser.add_argument("--device", default="cpu", help="to train on; all times of reconstruction are the CPU's")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--until", type=float, help="seconds after which no more jobs are begun")
    parser.add_argument("--name", default="unseen", help="of the results")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    content = {
        "name": arguments.name,
        "size": SIZE,
        "refiner": REFINER,
        "shown": arguments.shown,
        "seconds": arguments.seconds,
        "device": arguments.device,
        "rows": rows,
    }
    for job, result in as_they_come(measure, jobs_of(arguments), arguments.workers, seconds=arguments.until):
        rows += [job.named() | curve for curve in result.get("curves", [{"error": result.get("error")}])]
        path = write_results(arguments.name, content)
    print(*equal_time(rows), path, sep="\n")


if __name__ == "__main__":
    main()
