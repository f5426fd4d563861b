"""Peak memory of training a deep stable_hybrid: eight blocks, batches of 16 patterns in groups of four, one thread.

Memory is the resident size of a process of its own, libraries included; on a GPU also what Torch took there.

    python benchmarks/depth.py --depths 4 8 --pixels 64 128
"""

from __future__ import annotations

import argparse
from itertools import product
from typing import Any

from measuring import side_by_side, trained, write_results

LIMIT_MIB = 4096
"""What a network of eight blocks must not take."""


def one(job: tuple[int, int, str]) -> dict[str, Any]:
    depth, pixels, device = job
    result = trained(
        {
            # As many patterns whatever their size: they are not what is measured.
            "simulator": {"name": "lines", "size": 2 * pixels, "pixels": pixels, "scan": {"step": pixels / 10}},
            "generator": {"name": "stable_hybrid", "blocks": depth},
            "clip": "agc",
            "engine": {"threads": 1, "device": device},
            "train": {"epochs": 1},
        }
    )
    on_device = None
    if device == "cuda":
        import torch

        on_device = torch.cuda.max_memory_allocated() / 2**20
    return {
        "label": f"{depth} blocks, N = {pixels}",
        "depth": depth,
        "pixels": pixels,
        "parameters": result["facts"]["parameters"],
        "patterns": result["facts"]["training_patterns"],
        "peak_memory_mib": result["metrics"]["training"]["peak_memory_mib"],
        "device_memory_mib": on_device,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depths", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--pixels", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    jobs = [(*job, arguments.device) for job in product(arguments.depths, arguments.pixels)]
    rows = side_by_side(one, jobs, workers=1)
    print(write_results("depth", {"limit_mib": LIMIT_MIB, "device": arguments.device, "rows": rows}))


if __name__ == "__main__":
    main()
