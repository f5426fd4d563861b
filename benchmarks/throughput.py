"""Patterns per second and peak memory of each generator, one thread, N = 64, each in its own process.

Training is the engine's own loop on a lines scan (groups of four, unit-wise clipping, AdamW); inference is prediction
and stitching of the same scan.

    python benchmarks/throughput.py --seconds 15
"""

from __future__ import annotations

import argparse
import resource
from typing import Any

from measuring import side_by_side, trained, write_results


def one(job: tuple[str, int, float, str]) -> dict[str, Any]:
    name, group_size, seconds, device = job
    result = trained(
        {
            "simulator": {"name": "lines", "size": 256},
            "generator": name,
            "clip": "agc",
            "engine": {"threads": 1, "device": device},
            "train": {"epochs": 10_000, "time_limit": seconds, "group_size": group_size},
        }
    )
    metrics = result["metrics"]
    return {
        "label": f"{name}, groups of {group_size}",
        "generator": name,
        "group_size": group_size,
        "parameters": result["facts"]["parameters"],
        "training_patterns_per_second": metrics["training"]["patterns_per_second"],
        "inference_patterns_per_second": metrics["reconstruction"]["patterns_per_second"],
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    from ptycho_host import Host

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--generators", nargs="+", help="all that are registered unless given")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--name", default="throughput", help="of the results")
    arguments = parser.parse_args()
    every = sorted({entry.component.name for entry in Host.discover().registrations("generator")})
    names = arguments.generators or every
    jobs = [(name, size, arguments.seconds, arguments.device) for name in names for size in (1, 4)]
    # One at a time: two processes would share caches and memory bandwidth.
    rows = side_by_side(one, jobs, workers=1)
    print(write_results(arguments.name, {"device": arguments.device, "rows": rows}))


if __name__ == "__main__":
    main()
