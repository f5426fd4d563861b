"""What XLA costs and brings on the TensorFlow engine: `pinn`, one thread, N = 64 and 128, each in its own process.

Compilation is what the first epoch, or the first batch of a prediction, takes longer than the median of the others;
tracing, which there is without XLA too, is part of it. It pays from the number of training patterns on at which the
faster steps have made up for the longer start.

    python benchmarks/xla.py
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import side_by_side, write_results

SCANS: dict[int, dict[str, Any]] = {64: {"size": 128}, 128: {"size": 192, "pixels": 128, "scan": {"step": 9}}}
"""Small scans, of 121 and 64 patterns: what a step takes does not depend on their number."""


BATCH = 16


def one(job: tuple[int, bool, int]) -> dict[str, Any]:
    from ptycho_host import simulate, train

    pixels, xla, epochs = job
    config = {
        "backend": "tensorflow",
        "simulator": {"name": "lines", **SCANS[pixels]},
        "generator": "pinn",
        "engine": {"device": "cpu", "threads": 1, "xla": xla},
        "train": {"epochs": epochs, "batch_size": BATCH, "validation_fraction": 0.0},
    }
    with tempfile.TemporaryDirectory() as folder:
        run = train(config, out=Path(folder) / "run")
        batches, started = [], time.monotonic()
        for batch in run.engine().predict(run.bundle, simulate("lines", SCANS[pixels])):
            batches.append((len(batch.patches), time.monotonic() - started))
            started = time.monotonic()
        first, *others = run.history
    epoch = statistics.median(report.seconds for report in others)
    together = batches[0][0]
    ordinary = statistics.median(seconds for size, seconds in batches[1:] if size == together)
    patterns_per_second = statistics.median(report.patterns_per_second for report in others)
    return {
        "label": f"N = {pixels}, XLA {'on' if xla else 'off'}",
        "pixels": pixels,
        "xla": xla,
        "training_steps_per_second": patterns_per_second / run.config.train.batch_size,
        "training_compilation_seconds": first.seconds - epoch,
        "inference_patterns_per_second": together / ordinary,
        "inference_compilation_seconds": batches[0][1] - ordinary,
    }


def pays_from(rows: list[dict[str, Any]], pixels: int, batch_size: int = BATCH) -> int | None:
    """Training patterns after which XLA has saved as much as it cost; None if it never does."""
    off, on = (next(row for row in rows if (row["pixels"], row["xla"]) == (pixels, xla)) for xla in (False, True))
    saved = 1 / off["training_steps_per_second"] - 1 / on["training_steps_per_second"]
    if saved <= 0:
        return None
    return round((on["training_compilation_seconds"] - off["training_compilation_seconds"]) / saved * batch_size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    jobs = [(pixels, xla, arguments.epochs) for pixels in SCANS for xla in (False, True)]
    # One at a time: two processes would share caches and memory bandwidth.
    rows = side_by_side(one, jobs, workers=1)
    print(write_results("xla", {"rows": rows, "pays_from_patterns": {n: pays_from(rows, n) for n in SCANS}}))


if __name__ == "__main__":
    main()
