"""Measured X-ray data: how well the stitched object explains the patterns, with and without refinement.

Twice for each scan: trained on the whole of it, and trained on its left half to reconstruct the right half, of which
the network has seen nothing. The objects in the files, rPIE with sub-pixel positions, are judged alike, and so is the
refiner by itself.

    python benchmarks/siemens_star.py --data siemens_star_64.npz siemens_star_128.npz --seconds 180 --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measured import explained, halves
from measuring import as_they_come, write_results

if TYPE_CHECKING:
    from ptycho_host import Host, Scan
    from ptycho_host.config import ComponentChoice
    from ptycho_host.workflows.assembly import Assembly

REFINER = "lsq_ml"
PARTS = ("whole", "unseen half")


@dataclass(frozen=True)
class Job:
    """One training on a scan or on its left half; without `seconds` the refiner alone."""

    data: str
    part: str
    seed: int
    generator: str
    loss: str
    seconds: float | None
    epochs: tuple[int, ...]
    device: str
    keep: Path | None

    def named(self) -> dict[str, Any]:
        """What tells the row of this job from others."""
        start = "network" if self.seconds else "uniform"
        told = f"network, {self.loss}, seed {self.seed}" if self.seconds else f"{REFINER} alone"
        label = f"{Path(self.data).name}, {self.part}, {told}"
        named = {"label": label, "data": Path(self.data).name, "part": self.part, "start": start}
        return named | {"loss": self.loss if self.seconds else None, "seed": self.seed}


def measure(job: Job) -> dict[str, Any]:
    """The figures of each object, by the epochs of refinement behind it; 0 is the network alone."""
    from ptycho_host import Host, Run, load_scan, train, write_scan

    host = Host.discover()
    whole = load_scan(job.data, host=host)
    known, judge = halves(whole) if job.part == "unseen half" else (whole, whole)
    row = {**job.named(), "patterns": judge.count, "reference": explained(whole.reference, judge)}
    if job.seconds is None:
        return row | {"objects": [figures(alone(host, judge, epochs), judge, epochs) for epochs in job.epochs]}
    with tempfile.TemporaryDirectory() as folder:
        write_scan(known, source := Path(folder) / "known.npz", host=host)
        config = {
            "data": {"source": str(source)},
            "generator": job.generator,
            "clip": "agc",
            "loss": job.loss,
            "seed": job.seed,
            "engine": {"threads": 1, "device": job.device},
            # The schedule follows the clock; the number of epochs only has to be out of its way.
            "train": {"epochs": 10_000, "time_limit": job.seconds},
        }
        place = job.keep / job.named()["label"].replace(", ", "-") if job.keep else Path(folder) / "run"
        run = train(config, out=place, host=host)
        metrics = run.metrics
        training = {name: metrics["training"][name] for name in ("epochs", "seconds", "collapsed")}
        applied = Run.open(place, host=host, settings=["engine.device=cpu"])
        objects = [figures(applied.assemble(judge), judge, 0)]
        objects += [figures(applied.assemble(judge, refiner=refiner(epochs)), judge, epochs) for epochs in job.epochs]
    return row | {"training": training, "held_out": metrics.get("held_out"), "objects": objects}


def refiner(epochs: int) -> ComponentChoice:
    from ptycho_host.config import ComponentChoice

    return ComponentChoice(name=REFINER, options={"epochs": epochs, "threads": 1, "device": "cpu"})


def alone(host: Host, scan: Scan, epochs: int) -> Assembly:
    """The refiner from a uniform object."""
    from ptycho_host.report.progress import SilentProgress
    from ptycho_host.workflows.refine import configure_refiner, refined

    return refined(scan, configure_refiner(host, refiner(epochs)), None, SilentProgress())


def figures(made: Assembly, scan: Scan, epochs: int) -> dict[str, Any]:
    """How well all patterns of the scan are explained, after seconds of reconstruction on one thread."""
    return {"epochs": epochs, "seconds": made.seconds} | (explained(made.reconstruction.object, scan) or {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["siemens_star"], help="files or named data sets")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seconds", type=float, default=180, help="of each training")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0], help="none: the refiner alone")
    parser.add_argument("--generator", default="unrolled")
    parser.add_argument("--loss", nargs="+", default=["poisson"])
    parser.add_argument("--epochs", type=int, nargs="+", default=[5, 20], help="of the refiner after the network")
    parser.add_argument("--alone", type=int, nargs="+", default=[5, 20, 50], help="of the refiner by itself")
    parser.add_argument("--device", default="cpu", help="to train on")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder to keep the run directories in")
    arguments = parser.parse_args()
    where = (arguments.device, arguments.keep)
    networks = [
        Job(data, part, seed, arguments.generator, loss, arguments.seconds, tuple(arguments.epochs), *where)
        for seed in arguments.seeds
        for data in arguments.data
        for part in arguments.parts
        for loss in arguments.loss
    ]
    refiners = [
        Job(data, part, 0, "", "", None, tuple(arguments.alone), "cpu", None)
        for data in arguments.data
        for part in arguments.parts
    ]
    rows: list[dict[str, Any]] = []
    content = {
        "generator": arguments.generator,
        "seconds": arguments.seconds,
        "device": arguments.device,
        "refiner": REFINER,
        "rows": rows,
    }
    for job, result in as_they_come(measure, [*networks, *refiners], arguments.workers):
        rows.append(job.named() | result)
        print(rows[-1].get("objects"), flush=True)
        path = write_results("siemens_star", content)
    print(path)


if __name__ == "__main__":
    main()
