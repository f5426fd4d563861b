"""One process against two that share every batch: the same network and object, and how much faster.

Both train on the same scan, one process with batches of 16 patterns, two under torchrun with batches of 8 each (gloo, a
thread a process), and reconstruct it; then both reconstruct a scan that they have not seen. Nothing may differ but the
order of sums in single precision, whose effect grows in training: as a control, one process sums two batches of 8 a
step. Pairs are run alternately, rates are medians; two processes on two cores gain nothing while the machine does other
work, so its load is written down too.

    python benchmarks/many_devices.py --pairs 3
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from measuring import write_results

SIMULATOR = {"size": 160, "pixels": 64, "photons": 1e7, "scan": {"step": 6}}
BATCH, WORLD = 16, 2
SETUPS: list[dict[str, Any]] = [
    {
        "generator": {"name": "stable_hybrid", "width": 16, "modes": 8, "blocks": 2},
        "stitch": {"name": "synchronised"},
        "loss": {"name": "mae"},
    },
    {
        "generator": {"name": "fno", "width": 16, "modes": 8},
        "stitch": {"name": "probe_weighted"},
        "loss": {"name": "poisson"},
    },
]


def launched(processes: int, arguments: list[str]) -> None:
    """`ptycho` with these arguments, in as many processes of one thread each."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    start = [sys.executable, *(torchrun if processes > 1 else []), "-m", "ptycho_host"]
    subprocess.run([*start, *arguments], check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def run(setup: dict[str, Any], processes: int, parts: int, epochs: int, unseen: Path, folder: Path) -> dict[str, Any]:
    """Train, each process with so many parts of a batch one after the other, and reconstruct; returns what came out."""
    from safetensors.numpy import load_file

    from ptycho_host.config import from_table
    from ptycho_host.runs.product import read_product

    folder.mkdir()
    config = {
        "simulator": {"name": "lines", **SIMULATOR},
        "clip": {"name": "agc"},
        "engine": {"device": "cpu", "threads": 1},
        "train": {"epochs": epochs, "batch_size": BATCH // (processes * parts), "accumulate": parts},
    }
    (folder / "run.toml").write_text(from_table(config | setup).as_toml())
    launched(processes, ["train", str(folder / "run.toml"), "--out", str(folder / "run")])
    launched(processes, ["reconstruct", str(folder / "run"), str(unseen), "--out", str(folder / "unseen.h5")])
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    return {
        "load": os.getloadavg()[0],
        "history": [json.loads(line) for line in (folder / "run" / "history.jsonl").read_text().splitlines()],
        "weights": load_file(folder / "run" / "bundle" / "weights.safetensors"),
        "object": read_product(folder / "run" / "reconstruction.h5").object,
        "unseen": read_product(folder / "unseen.h5").object,
        "training": metrics["training"]["patterns_per_second"],
        "reconstruction": metrics["reconstruction"]["patterns_per_second"],
    }


def largest_difference(one: Any, two: Any) -> float:
    """Over the largest value."""
    return float(np.abs(one - two).max() / np.abs(one).max())


def differences(one: dict[str, Any], two: dict[str, Any]) -> dict[str, float]:
    """Of all epochs' losses, all weights, and both objects."""
    losses = ([report["training_loss"] for report in side["history"]] for side in (one, two))
    weights = (
        np.concatenate([side["weights"][name].ravel() for name in sorted(side["weights"])]) for side in (one, two)
    )
    return {
        "losses": largest_difference(*map(np.array, losses)),
        "weights": largest_difference(*weights),
        "object": largest_difference(one["object"], two["object"]),
        "unseen": largest_difference(one["unseen"], two["unseen"]),
    }


def compared(setup: dict[str, Any], pairs: int, epochs: int) -> dict[str, Any]:
    from ptycho_host import simulate, write_scan

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        unseen = folder / "unseen.npz"
        write_scan(simulate("random_field", SIMULATOR, seed=1), unseen)
        done = {
            (processes, pair): run(setup, processes, 1, epochs, unseen, folder / f"{pair}-{processes}")
            for pair in range(pairs)
            for processes in (1, WORLD)
        }
        control = run(setup, 1, WORLD, epochs, unseen, folder / "control")

    def rates(what: str) -> list[float]:
        return [median(done[processes, pair][what] for pair in range(pairs)) for processes in (1, WORLD)]

    return {
        "label": f"{setup['generator']['name']}, {setup['loss']['name']}, {setup['stitch']['name']}",
        **setup,
        "epochs": epochs,
        "processes": differences(done[1, 0], done[WORLD, 0]),
        "control": differences(done[1, 0], control),
        "load": median(side["load"] for side in done.values()),
        "training_patterns_per_second": rates("training"),
        "reconstruction_patterns_per_second": rates("reconstruction"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    rows = []
    for setup in SETUPS:
        rows.append(compared(setup, arguments.pairs, arguments.epochs))
        print(rows[-1]["label"], flush=True)
        print(write_results("many_devices", {"simulator": SIMULATOR, "batch": BATCH, "world": WORLD, "rows": rows}))


if __name__ == "__main__":
    main()
