"""What generators need to be as good at N = 128 and 256 as at 64, and what a pattern costs them then.

The same lines scan at every size: probe, step and object grow with N, so there are always 529 patterns. Networks are
trained for the same seconds and judged, in one pass, on an object that they have not seen.

    python benchmarks/pattern_sizes.py --pixels 64 128 256 --seconds 60 --seeds 0 1 2 --device cuda --workers 2
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import as_they_come, scores, write_results

VARIANTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "stable_hybrid": lambda pixels: {"name": "stable_hybrid"},
    "stable_hybrid, 8 modes": lambda pixels: {"name": "stable_hybrid", "modes": 8},
    "stable_hybrid, N/8 modes": lambda pixels: {"name": "stable_hybrid", "modes": pixels // 8},
    "stable_hybrid, N/8 modes, 6 blocks, width 48": lambda pixels: {
        "name": "stable_hybrid",
        "modes": pixels // 8,
        "width": 48,
        "blocks": 6,
        "max_hidden_channels": 192,
    },
    "unrolled": lambda pixels: {"name": "unrolled"},
    "unrolled, N/8 modes": lambda pixels: {"name": "unrolled", "modes": pixels // 8},
    "unrolled, N/8 modes, width 32": lambda pixels: {"name": "unrolled", "modes": pixels // 8, "width": 32},
    "unrolled, 5 shared stages": lambda pixels: {"name": "unrolled", "stages": 5, "shared": True},
    "unrolled, 5 shared stages, N/8 modes": lambda pixels: {
        "name": "unrolled",
        "stages": 5,
        "shared": True,
        "modes": pixels // 8,
    },
    "unrolled, 5 shared stages, N/8 modes, width 32": lambda pixels: {
        "name": "unrolled",
        "stages": 5,
        "shared": True,
        "modes": pixels // 8,
        "width": 32,
    },
    "unrolled_scan": lambda pixels: {"name": "unrolled_scan"},
}


def simulator(pixels: int) -> dict[str, Any]:
    """Twelve pixels between patterns of 128."""
    return {"size": 392 * pixels // 128, "pixels": pixels, "scan": {"step": 3 * pixels // 32}}


def one(job: tuple[str, int, int, float, str]) -> dict[str, Any]:
    """Train one network and let it reconstruct an unseen object."""
    from ptycho_host import Host, simulate, train
    from ptycho_host.workflows.evaluation import evaluate

    name, pixels, seed, seconds, device = job
    host = Host.discover()
    config = {
        "simulator": {"name": "lines", **simulator(pixels)},
        "generator": VARIANTS[name](pixels),
        "clip": "agc",
        "seed": seed,
        "engine": {"device": device, "threads": 1},
        "train": {"time_limit": seconds},
    }
    unseen = simulate("lines", simulator(pixels), seed=seed + 1000, host=host)
    with tempfile.TemporaryDirectory() as folder:
        run = train(config, out=Path(folder) / "run", host=host)
        made, training = run.assemble(unseen), run.metrics["training"]
        parameters = run.bundle.facts["parameters"]
    return {
        "label": f"N = {pixels}: {name}, seed {seed}",
        "network": name,
        "pixels": pixels,
        "seed": seed,
        "parameters": parameters,
        "epochs": training["epochs"],
        "patterns_per_second": training["patterns_per_second"],
        "cost": pixels**2 * math.log2(pixels) * training["patterns_per_second"],
        "collapsed": training["collapsed"],
        **scores(evaluate(made, unseen).metrics.as_json()),
        "seconds": made.seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pixels", type=int, nargs="+", default=[64, 128, 256], help="sides of the patterns, N")
    parser.add_argument("--networks", nargs="+", default=list(VARIANTS), choices=list(VARIANTS), metavar="NAME")
    parser.add_argument("--seconds", type=float, default=60, help="training of each network")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--name", default="pattern_sizes", help="of the file in results/")
    arguments = parser.parse_args()
    jobs = [
        (name, pixels, seed, arguments.seconds, arguments.device)
        for seed in arguments.seeds
        for pixels in arguments.pixels
        for name in arguments.networks
    ]
    content: dict[str, Any] = {"seconds": arguments.seconds, "device": arguments.device, "rows": []}
    for _, row in as_they_come(one, jobs, arguments.workers, jobs_a_process=None):
        print(row, flush=True)
        content["rows"].append(row)
        write_results(arguments.name, content)


if __name__ == "__main__":
    main()
