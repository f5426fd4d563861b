"""Measured X-ray data: how well the stitched object explains all patterns, and predictions the held-out ones.

python benchmarks/siemens_star.py --data siemens_star_64.npz --seconds 180 --seeds 0 1 2
"""

from __future__ import annotations

import argparse
from pathlib import Path

from measuring import trained, write_results

from ptycho_host import load_scan
from ptycho_host.metrics.diffraction import diffraction_agreement


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="siemens_star", help="file or named data set")
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--loss", nargs="+", default=["poisson"])
    parser.add_argument("--keep", type=Path, help="folder to keep the run directories in")
    arguments = parser.parse_args()
    scan = load_scan(arguments.data)
    reference = diffraction_agreement(scan.reference, scan) if scan.reference is not None else None
    rows = []
    for loss in arguments.loss:
        for seed in arguments.seeds:
            config = {
                "data": {"source": arguments.data},
                "generator": "stable_hybrid",
                "clip": "agc",
                "loss": loss,
                "stitch": "synchronised",
                "seed": seed,
                # The schedule follows the clock; the number of epochs only has to be out of its way.
                "train": {"epochs": 10_000, "time_limit": arguments.seconds},
            }
            keep = arguments.keep / f"{loss}-{seed}" if arguments.keep else None
            metrics = trained(config, keep)["metrics"]
            rows.append(
                {
                    "loss": loss,
                    "seed": seed,
                    "epochs": metrics["training"]["epochs"],
                    "correlation": metrics["diffraction"]["correlation"],
                    "residual": metrics["diffraction"]["residual"],
                    "held_out_correlation": metrics["held_out"]["correlation"],
                    "held_out_residual": metrics["held_out"]["residual"],
                }
            )
            print(rows[-1], flush=True)
    content = {
        "data": Path(arguments.data).name,
        "patterns": scan.count,
        "seconds": arguments.seconds,
        "reference": reference and {"correlation": reference.correlation, "residual": reference.residual},
        "rows": rows,
    }
    print(write_results("siemens_star", content))


if __name__ == "__main__":
    main()
