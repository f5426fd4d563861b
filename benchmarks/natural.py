"""An object whose amplitude says nothing about its phase: networks trained on the scan itself, and a refiner.

A photograph is the amplitude, another one the phase. Each network is trained for the same seconds on one thread; the
refiner also works by itself, from a uniform object.

    python benchmarks/natural.py --seconds 120 --seeds 0 1 2 --steps 8
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from measuring import scores, side_by_side, write_results

NETWORKS: dict[str, dict[str, Any]] = {
    "stable_hybrid": {"name": "stable_hybrid"},
    "unrolled": {"name": "unrolled"},
    "unrolled, 5 shared stages": {"name": "unrolled", "stages": 5, "shared": True},
    "unrolled_scan": {"name": "unrolled_scan"},
}
REFINER = "lsq_ml"


def simulator(step: int) -> dict[str, Any]:
    return {"name": "image", "size": 392, "pixels": 64, "photons": 1e9, "scan": {"step": step}}


def network(job: tuple[str, int, int, float, int]) -> dict[str, Any]:
    """Train one network and refine what it makes of the scan."""
    from ptycho_host import Host, simulate, train
    from ptycho_host.report.progress import SilentProgress
    from ptycho_host.workflows.evaluation import evaluate
    from ptycho_host.workflows.refine import configure_refiner, refined

    name, step, seed, seconds, epochs = job
    host = Host.discover()
    config = {
        "simulator": simulator(step),
        "generator": NETWORKS[name],
        "clip": "agc",
        "seed": seed,
        "engine": {"threads": 1},
        "train": {"time_limit": seconds},
    }
    options = dict(simulator(step))
    scan = simulate(options.pop("name"), options, seed=seed, host=host)
    with tempfile.TemporaryDirectory() as folder:
        run = train(config, out=Path(folder) / "run", host=host)
        made, training = run.assemble(scan), run.metrics["training"]
    refiner = configure_refiner(host, {"name": REFINER, "epochs": epochs, "threads": 1})
    polished = refined(scan, refiner, made.reconstruction, SilentProgress())
    return {
        "label": f"{name}, step {step}, seed {seed}",
        "network": name,
        "step": step,
        "seed": seed,
        "epochs": training["epochs"],
        "patterns_per_second": training["patterns_per_second"],
        "collapsed": training["collapsed"],
        "alone": scores(evaluate(made, scan).metrics.as_json()) | {"seconds": made.seconds},
        "refined": scores(evaluate(polished, scan).metrics.as_json()) | {"seconds": made.seconds + polished.seconds},
    }


def refiner(job: tuple[int, int, int]) -> dict[str, Any]:
    """The refiner by itself."""
    from ptycho_host import Host, simulate
    from ptycho_host.report.progress import SilentProgress
    from ptycho_host.workflows.evaluation import evaluate
    from ptycho_host.workflows.refine import configure_refiner, refined

    step, seed, epochs = job
    host = Host.discover()
    options = dict(simulator(step))
    scan = simulate(options.pop("name"), options, seed=seed, host=host)
    made = refined(
        scan, configure_refiner(host, {"name": REFINER, "epochs": epochs, "threads": 1}), None, SilentProgress()
    )
    return {
        "label": f"{REFINER}, {epochs} epochs, step {step}, seed {seed}",
        "step": step,
        "seed": seed,
        "epochs": epochs,
        **scores(evaluate(made, scan).metrics.as_json()),
        "seconds": made.seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="training of each network")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, nargs="+", default=[8], help="of the raster, object pixels")
    parser.add_argument("--epochs", type=int, default=5, help="of the refiner after a network")
    parser.add_argument("--alone", type=int, nargs="*", default=[10, 20, 50], help="of the refiner by itself")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS), metavar="NAME")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--name", default="natural", help="of the file in results/")
    arguments = parser.parse_args()
    networks = [
        (name, step, seed, arguments.seconds, arguments.epochs)
        for step in arguments.steps
        for seed in arguments.seeds
        for name in arguments.networks
    ]
    alone = [(step, arguments.seeds[0], epochs) for step in arguments.steps for epochs in arguments.alone]
    content: dict[str, Any] = {"seconds": arguments.seconds, "refiner": REFINER, "refiner_epochs": arguments.epochs}
    content["alone"] = side_by_side(refiner, alone, arguments.workers)
    content["rows"] = side_by_side(network, networks, arguments.workers)
    print(write_results(arguments.name, content))


if __name__ == "__main__":
    main()
