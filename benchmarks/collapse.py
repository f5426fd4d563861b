"""Collapsed runs of stable_hybrid: seeds x depth 4 and 8 x losses x clippers, short runs on a small lines scan.

python benchmarks/collapse.py --seeds 10 --epochs 6
"""

from __future__ import annotations

import argparse
from itertools import product
from typing import Any

from measuring import side_by_side, trained, write_results


def one(job: tuple[int, int, str, str, int, int]) -> dict[str, Any]:
    seed, depth, loss, clip, epochs, size = job
    config = {
        "simulator": {"name": "lines", "size": size},
        "generator": {"name": "stable_hybrid", "blocks": depth},
        "loss": loss,
        "clip": clip,
        "seed": seed,
        "engine": {"threads": 1},
        "train": {"epochs": epochs},
    }
    result = trained(config)
    metrics = result["metrics"]
    return {
        "label": f"seed={seed} depth={depth} {loss} {clip}",
        "seed": seed,
        "depth": depth,
        "loss": loss,
        "clip": clip,
        "collapsed_epochs": result["collapsed_epochs"],
        "setbacks": result["facts"].get("setbacks", 0),
        "parameters": result["facts"]["parameters"],
        "amplitude_ssim": metrics["amplitude"]["ssim"],
        "phase_ssim": metrics["phase"]["ssim"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--depths", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--losses", nargs="+", default=["mae", "poisson"])
    parser.add_argument("--clips", nargs="+", default=["agc", "norm"])
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    jobs = [
        (seed, depth, loss, clip, arguments.epochs, arguments.size)
        for depth, loss, clip, seed in product(
            arguments.depths, arguments.losses, arguments.clips, range(arguments.seeds)
        )
    ]
    rows = side_by_side(one, jobs, arguments.workers)
    collapsed = sum(bool(row["collapsed_epochs"]) for row in rows)
    print(f"{collapsed} of {len(rows)} runs collapsed")
    print(
        write_results(
            "collapse", {"epochs": arguments.epochs, "size": arguments.size, "collapsed": collapsed, "rows": rows}
        )
    )


if __name__ == "__main__":
    main()
