"""The back-projection lift: the same generator with and without it, same seeds, same seconds of training.

python benchmarks/lift.py --seconds 60 --seeds 0 1 2
"""

from __future__ import annotations

import argparse
from typing import Any

from measuring import scores, side_by_side, trained, write_results


def one(job: tuple[int, str, int, float]) -> dict[str, Any]:
    pixels, lift, seed, seconds = job
    # N = 128: a probe twice as wide, steps twice as long, an object that holds as many of them.
    size, step = (256, 6) if pixels == 64 else (392, 12)
    config = {
        "simulator": {"name": "lines", "size": size, "pixels": pixels, "scan": {"step": step}},
        "generator": {"name": "stable_hybrid", "lift": lift},
        "clip": "agc",
        "seed": seed,
        "engine": {"threads": 1},
        "train": {"epochs": 10_000, "time_limit": seconds},
    }
    metrics = trained(config)["metrics"]
    return {
        "label": f"N={pixels} lift={lift} seed={seed}",
        "pixels": pixels,
        "lift": lift,
        "seed": seed,
        "epochs": metrics["training"]["epochs"],
        **scores(metrics),
        "correlation": metrics["diffraction"]["correlation"],
        "collapsed": metrics["training"]["collapsed"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    jobs = [
        (pixels, lift, seed, arguments.seconds)
        for pixels in (64, 128)
        for seed in arguments.seeds
        for lift in ("none", "backprojection")
    ]
    rows = side_by_side(one, jobs, arguments.workers)
    print(write_results("lift", {"seconds": arguments.seconds, "rows": rows}))


if __name__ == "__main__":
    main()
