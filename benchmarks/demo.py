"""The demo: quality and seconds, training and report included, on all cores.

python benchmarks/demo.py --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from measuring import scores, trained, write_results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--loss", nargs="+", default=["mae", "poisson"])
    parser.add_argument("--keep", type=Path, help="folder to keep the run directories in")
    arguments = parser.parse_args()
    rows = []
    for loss in arguments.loss:
        for seed in arguments.seeds:
            config = {"generator": "unrolled", "clip": "agc", "loss": loss, "seed": seed}
            keep = arguments.keep / f"{loss}-{seed}" if arguments.keep else None
            started = time.perf_counter()
            result = trained(config, keep)
            metrics = result["metrics"]
            rows.append(
                {
                    "loss": loss,
                    "seed": seed,
                    "seconds": time.perf_counter() - started,
                    **scores(metrics),
                    "collapsed": metrics["training"]["collapsed"],
                }
            )
            print(rows[-1], flush=True)
    print(write_results("demo", {"rows": rows}))


if __name__ == "__main__":
    main()
