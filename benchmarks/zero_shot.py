"""A network trained on simulated objects of many classes, on a sample of a class that it never saw.

It is trained on a mosaic of lines, random fields and shapes under the probe of the scan, and reconstructs photographs,
one as amplitude and another as phase, and samples of other classes. Beside it the refiner alone. Reconstructions run on
one thread of a CPU, training where `--device` says; a run that is there already is taken as it is.

    python benchmarks/zero_shot.py --run runs/any --seconds 140 --device cuda --size 1536 --steps 8 16 24
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

from measuring import scores, shown, write_results

PICTURES = [("astronaut", "coins"), ("camera", "coins"), ("coins", "camera")]
"""Amplitude and phase of each natural sample."""
CLASSES = ("natural", "lines", "cells")
SEEDS = 3
"""Samples of each class."""
REFINER = "lsq_ml"


def sample(kind: str, step: int, seed: int, pixels: int = 64, diameter: float = 32) -> Any:
    """The scan to reconstruct; a wider probe is flatter, so that its far field is as wide."""
    from ptycho_host import simulate

    probe = {"diameter": diameter, "curvature": 0.02 * (32 / diameter) ** 2}
    options: dict[str, Any] = {"size": 328 + pixels, "pixels": pixels, "scan": {"step": step}, "probe": probe}
    if kind != "natural":
        return simulate(kind, options, seed=seed + 100)
    amplitude, phase = PICTURES[seed]
    return simulate("image", {**options, "amplitude": amplitude, "phase": phase}, seed=seed)


def train_network(run: Path, arguments: argparse.Namespace) -> None:
    """As `ptycho train --simulate mixture --probe-from scan.npz --generator unrolled_scan`."""
    from ptycho_host import train, write_scan

    run.parent.mkdir(parents=True, exist_ok=True)
    probe = run.with_name(f"{run.name}-probe.npz")
    write_scan(sample("natural", arguments.step, 0), probe)
    options = dict(setting.split("=", 1) for setting in arguments.options)
    config = {
        "data": {"probe_from": str(probe)},
        "simulator": {"name": "mixture", "size": arguments.size, "scan": {"step": arguments.step}},
        "generator": {"name": "unrolled_scan", **{key: int(value) for key, value in options.items()}},
        "loss": {"name": arguments.loss, "object_mae": {"constant_phase": "group"}}
        if "object_mae" in arguments.loss
        else arguments.loss,
        "clip": "agc",
        "seed": 0,
        "engine": {"device": arguments.device},
        "train": {
            "time_limit": arguments.seconds,
            "batch_size": arguments.batch_size,
            "group_size": arguments.group_size,
            "learning_rate": arguments.rate,
            "epochs": 100_000,
        },
    }
    train(config, out=run)


def figures(assembly: Any, scan: Any) -> dict[str, float]:
    from ptycho_host.workflows.evaluation import evaluate

    metrics = evaluate(assembly, scan).metrics.as_json()
    return {
        **scores(metrics),
        "residual": metrics["diffraction"]["residual"],
        "seconds": assembly.seconds,
    }


def main() -> None:
    from ptycho_host import Host
    from ptycho_host.report.progress import SilentProgress
    from ptycho_host.workflows.refine import configure_refiner, refined
    from ptycho_host.workflows.run import Run

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="run directory of the network")
    parser.add_argument("--step", type=int, default=16, help="of the raster that the network is trained on, px")
    parser.add_argument("--samples", nargs="+", choices=CLASSES, default=["natural"], help="to reconstruct")
    parser.add_argument("--steps", type=int, nargs="+", default=[16], help="of the rasters to reconstruct, px")
    parser.add_argument("--pixels", type=int, default=64, help="of the patterns to reconstruct")
    parser.add_argument("--diameter", type=float, default=32, help="of the probe to reconstruct with, px")
    parser.add_argument("--seconds", type=float, default=600, help="training, where there is no run yet")
    parser.add_argument("--device", default="auto", help="of the training")
    parser.add_argument("--size", type=int, default=2048, help="side of the mosaic, object pixels")
    parser.add_argument("--batch-size", type=int, default=288)
    parser.add_argument("--group-size", type=int, default=36)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--loss", default="mae+object_mae", help="of the training; object_mae: one phase a region")
    parser.add_argument("--options", nargs="*", default=[], metavar="KEY=VALUE", help="of the generator")
    parser.add_argument("--iterations", type=int, nargs="+", default=[12, 24, 48])
    parser.add_argument("--epochs", type=int, nargs="*", default=[5], help="of the refiner after the network")
    parser.add_argument("--alone", type=int, nargs="+", default=[10, 20, 50], help="of the refiner by itself")
    parser.add_argument("--train-only", action="store_true")
    parser.add_argument("--name", default="zero_shot", help="of the file in results/")
    arguments = parser.parse_args()
    host = Host.discover()
    if not (arguments.run / "metrics.json").is_file():
        train_network(arguments.run, arguments)
    if arguments.train_only:
        return
    trained = Run.open(arguments.run, host=host)
    content: dict[str, Any] = {
        "step": arguments.step,
        "pixels": arguments.pixels,
        "diameter": arguments.diameter,
        "refiner": REFINER,
        "training": trained.metrics["training"],
        "training_command": command_of(trained),
        "rows": [],
    }

    def note(place: dict[str, Any], method: str, assembly: Any, scan: Any, before: float = 0.0) -> None:
        row = {**place, "method": method, **figures(assembly, scan)}
        row["seconds"] += before
        print(row, flush=True)
        content["rows"].append(row)
        write_results(arguments.name, content)

    refiners = {
        epochs: configure_refiner(host, {"name": REFINER, "epochs": epochs, "threads": 1, "device": "cpu"})
        for epochs in {*arguments.epochs, *arguments.alone}
    }
    for kind, step, seed in product(arguments.samples, arguments.steps, range(SEEDS)):
        scan = sample(kind, step, seed, arguments.pixels, arguments.diameter)
        place = {"sample": kind, "step": step, "seed": seed}
        for iterations in arguments.iterations:
            settings = [f"generator.iterations={iterations}", "engine.device=cpu", "engine.threads=1"]
            run = Run.open(arguments.run, host=host, settings=settings)
            made, name = run.assemble(scan, refiner=False), f"network, {iterations} iterations"
            note(place, name, made, scan)
            for epochs in arguments.epochs:
                polished = refined(scan, refiners[epochs], made.reconstruction, SilentProgress())
                then = f"{name}, then {epochs} epochs of {REFINER}"
                note(place, then, polished, scan, before=made.seconds)
        for epochs in arguments.alone:
            alone = refined(scan, refiners[epochs], None, SilentProgress())
            note(place, f"{REFINER} alone, {epochs} epochs", alone, scan)


def command_of(run: Any) -> str:
    """How the network was trained."""
    environment = json.loads((run.path / "environment.json").read_text(encoding="utf-8"))
    return shown(environment["command"])


if __name__ == "__main__":
    main()
