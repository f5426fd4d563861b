"""Both back-ends on the same scan, from Python, and one table of both.

    python examples/both_backends.py --out both-backends --seconds 60

needs `ptycho-host[torch,tf]`. Without --data it simulates a lines scan.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from ptycho_host import Run, simulate, train, write_scan
from ptycho_host.report.tables import print_results

NETWORKS = {"torch": "stable_hybrid", "tensorflow": "pinn"}
"""Back-end and the network that is trained on it; both learn from the patterns alone."""


def both_backends(scan: str | Path, out: Path, seconds: float) -> dict[str, Run]:
    """Train on the scan (a file or a data set) with each back-end for some seconds; the runs stand in `out`."""
    runs = {}
    for backend, generator in NETWORKS.items():
        config = {
            "backend": backend,
            "generator": generator,
            "data": {"source": str(scan)},
            "clip": "agc",
            "train": {"time_limit": seconds},
            "engine": {"threads": 1},
        }
        runs[f"{generator} ({backend})"] = train(config, out=out / backend)
    return runs


def main() -> None:
    """Read the flags, simulate if no data were named, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="file or named data set; default: a simulated lines scan")
    parser.add_argument("--out", type=Path, default=Path("both-backends"), help="new folder for scan and runs")
    parser.add_argument("--size", type=int, default=128, help="side of the simulated object in pixels")
    parser.add_argument("--pixels", type=int, default=64, help="side of the simulated patterns in pixels")
    parser.add_argument("--seconds", type=float, default=60, help="training time of each network")
    flags = parser.parse_args()
    scan = flags.data
    if scan is None:
        scan = flags.out / "scan.npz"
        write_scan(simulate("lines", {"size": flags.size, "pixels": flags.pixels}), scan)
    runs = both_backends(scan, flags.out, flags.seconds)
    paths = [f"report  {run.directory.report}" for run in runs.values()]
    print_results(Console(), {name: run.metrics for name, run in runs.items()}, paths)


if __name__ == "__main__":
    main()
