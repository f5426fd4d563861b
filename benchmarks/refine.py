"""Refiners after a network and by themselves: the demo's lines scan, and measured X-rays.

python benchmarks/refine.py --seconds 60 --seeds 0 1 2 --data siemens_star_64.npz
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from measuring import write_results

from ptycho_host import Host, Reconstruction, Run, Scan, load_scan, simulate, train
from ptycho_host.metrics.diffraction import diffraction_agreement
from ptycho_host.report.progress import SilentProgress
from ptycho_host.workflows.evaluation import evaluate
from ptycho_host.workflows.refine import configure_refiner, refined

REFINERS = ("epie", "rpie", "lsq_ml")
ALONE = "rpie"
"""What goes without a network on the lines scan, where epochs take longest to bring the phase."""
HOST = Host.discover()


def row(scan: Scan, first: Reconstruction | None, choice: dict[str, Any], **labels: Any) -> dict[str, Any]:
    """What a refiner makes of a start (None: a uniform object), with its seconds."""
    assembly = refined(scan, configure_refiner(HOST, choice), first, SilentProgress())
    figures = evaluate(assembly, scan).metrics.as_json()
    return {
        **labels,
        "refiner": choice["name"],
        "probe": choice.get("probe", "fixed"),
        "epochs": choice["epochs"],
        "seconds": assembly.seconds,
        **scores(figures),
    }


def scores(figures: dict[str, Any]) -> dict[str, Any]:
    found = {name: figures["diffraction"][name] for name in ("correlation", "residual")}
    for part in ("amplitude", "phase"):
        if part in figures:
            found |= {f"{part}_{name}": figures[part][name] for name in ("ssim", "mae")}
    return found


def networks(seeds: list[int], seconds: float) -> Iterator[Run]:
    """The demo's network after some seconds of training, for each seed."""
    for seed in seeds:
        config = {"seed": seed, "clip": "agc", "train": {"epochs": 10_000, "time_limit": seconds}}
        with tempfile.TemporaryDirectory() as folder:
            yield train(config, out=Path(folder) / "run", host=HOST)


def lines(runs: Iterable[Run], epochs: int, alone: list[int]) -> Iterator[dict[str, Any]]:
    """The networks on the demo's scan, before and after each refiner; then a refiner without them."""
    for run in runs:
        seed = run.config.seed
        scan = simulate("lines", seed=seed, host=HOST)
        network = run.assemble(scan)
        before = {"start": "network", "seed": seed, "refiner": None, "epochs": 0, "seconds": network.seconds}
        trained = {name: run.metrics["training"][name] for name in ("epochs", "seconds")}
        yield before | {"training": trained} | scores(evaluate(network, scan).metrics.as_json())
        for name in REFINERS:
            yield row(scan, network.reconstruction, {"name": name, "epochs": epochs}, start="network", seed=seed)
        for uniform in alone:
            yield row(scan, None, {"name": ALONE, "epochs": uniform}, start="uniform", seed=seed)


def measured(scan: Scan, epochs: int) -> Iterator[dict[str, Any]]:
    """Each refiner on measured patterns from a uniform object, with the file's probe and with a free one."""
    if scan.reference is not None:
        agreement = diffraction_agreement(scan.reference, scan)
        yield {"refiner": None, "correlation": agreement.correlation, "residual": agreement.residual, "probe": "fixed"}
    for probe in ("fixed", "free"):
        for name in REFINERS:
            yield row(scan, None, {"name": name, "epochs": epochs, "probe": probe})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="siemens_star", help="measured scan: file or named data set")
    parser.add_argument("--seconds", type=float, default=60, help="training of each network")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", nargs="+", default=[], help="runs of the demo, instead of training some")
    parser.add_argument("--epochs", type=int, default=5, help="after the network")
    parser.add_argument("--alone", type=int, nargs="+", default=[20], help="epochs from a uniform object")
    parser.add_argument("--measured-epochs", type=int, default=30)
    arguments = parser.parse_args()
    scan = load_scan(arguments.data, host=HOST)
    content: dict[str, Any] = {
        "data": Path(arguments.data).name,
        "patterns": scan.count,
    }
    runs = [Run.open(path, host=HOST) for path in arguments.runs] or networks(arguments.seeds, arguments.seconds)
    parts = {
        "measured": measured(scan, arguments.measured_epochs),
        "lines": lines(runs, arguments.epochs, arguments.alone),
    }
    for name, rows in parts.items():
        content[name] = []
        for found in rows:
            content[name].append(found)
            print(found, flush=True)
            write_results("refine", content)


if __name__ == "__main__":
    main()
