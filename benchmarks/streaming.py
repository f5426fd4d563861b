"""Scans larger than memory: training and reconstruction from a file, their memory and their speed.

A lines object of the simulator is scanned under its probe; the patterns are computed when the writer asks for them,
block by block, so that no more than a block of the scan is ever in memory. One epoch is trained and the object
reconstructed with a small `stable_hybrid`, from the file; a smaller scan shows whether memory grows, and one that is
held in memory whole whether reading costs time. Every run has a process of its own; its memory is counted over what
the imports take.

    python benchmarks/streaming.py --patterns 10000 100000 --pairs 3
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
from measuring import RESULTS, scores, side_by_side, write_results
from numpy.typing import NDArray

PIXELS, SIZE, PHOTONS = 128, 1076, 1e6
GENERATOR = {"name": "stable_hybrid", "width": 16, "modes": 4, "blocks": 1, "stem": 8, "downsamplings": 0}
COMPARED = 2_000
"""Patterns of the scan that is trained from the file and from memory."""
TOGETHER = 32
"""Patterns that are simulated at a time."""


@dataclass(frozen=True)
class PatternsOnDemand:
    """A `PatternSource` that simulates patterns when they are asked for: the same ones every time."""

    obj: NDArray[np.complex64]
    positions: NDArray[np.float64]
    probe: NDArray[np.complex64]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.positions), *self.probe.shape)

    def __getitem__(self, index: Any, /) -> NDArray[np.float32]:
        from ptycho_host.physics.dose import count_photons
        from ptycho_host.physics.far_field import diffraction_amplitude
        from ptycho_host.physics.patches import extract_patches

        wanted = np.arange(len(self.positions))[index].ravel()
        counted = np.empty((len(wanted), *self.probe.shape), dtype=np.float32)
        for first in range(0, len(wanted), TOGETHER):
            part = wanted[first : first + TOGETHER]
            patches = extract_patches(self.obj, self.positions[part], len(self.probe))
            for place, amplitude in enumerate(diffraction_amplitude(patches, self.probe), start=first):
                noise = np.random.default_rng([1, wanted[place]])
                counted[place] = count_photons(amplitude, noise)
        return counted


def simulated(job: tuple[int, Path]) -> dict[str, Any]:
    """Write a square raster scan of about so many patterns, all over an object that is always the same."""
    from ptycho_host import simulate
    from ptycho_host.data.formats.hdf5 import Hdf5Writer
    from ptycho_host.data.scan import Scan

    patterns, path = job
    imports = memory()
    span = SIZE - PIXELS
    # The simulator draws object and probe, of the right dose, with a few patterns; we scan them densely.
    drawn = simulate("lines", {"size": SIZE, "pixels": PIXELS, "photons": PHOTONS, "scan": {"step": span / 8}})
    step = max(1, round(span / (patterns**0.5 - 1)))
    line = np.arange(PIXELS / 2, PIXELS / 2 + span + 0.5, step)
    positions = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    assert drawn.truth is not None
    started = perf_counter()
    source = PatternsOnDemand(drawn.truth, positions, drawn.probe)
    Hdf5Writer().write(Scan(source, positions, drawn.probe, truth=drawn.truth, name="lines"), path)
    return {
        "label": f"simulated {len(positions)} patterns",
        "patterns": len(positions),
        "step": step,
        "file_mib": path.stat().st_size / 2**20,
        "patterns_per_second": len(positions) / (perf_counter() - started),
        "memory_over_imports_mib": memory() - imports,
    }


def reading(job: Path) -> dict[str, Any]:
    """How fast patterns come from the file, in its order and at random, in batches of 16."""
    from ptycho_host.workflows.scans import load_scan

    scan = load_scan(job, cache=0)
    rates = {}
    many = min(scan.count, 3_000) // 16
    shuffled = np.random.default_rng(0).permutation(scan.count)
    for order, indices in (("in_order", np.arange(scan.count)), ("at_random", shuffled)):
        started = perf_counter()
        for batch in range(many):
            scan.batch(indices[16 * batch : 16 * (batch + 1)])
        rates[order] = many * 16 / (perf_counter() - started)
    return {"label": "read", "patterns_per_second": rates}


def reconstructed(job: tuple[Path, bool, int, str]) -> dict[str, Any]:
    """One epoch and the reconstruction; `whole` takes all patterns into memory first."""
    from dataclasses import replace

    import torch  # noqa: F401 - counts among the imports, not among the data

    from ptycho_host import train
    from ptycho_host.data.formats import hdf5
    from ptycho_host.plugins import Host

    path, whole, cache, stitcher = job
    if whole:
        lazy = hdf5.Hdf5Reader.read

        def read(reader: Any, path: Path) -> Any:
            scan = lazy(reader, path)
            return replace(scan, amplitudes=scan.batch(slice(None)))

        hdf5.Hdf5Reader.read = read  # type: ignore[method-assign]
    host = Host.discover()
    for kind in ("generator", "engine", "loss", "clipper", "stitcher"):
        for entry in host.registrations(kind):
            if getattr(entry.component, "backend", None) in (None, "torch"):
                import_module(entry.component.target.partition(":")[0])
    imports = memory()
    config = {
        "data": {"source": str(path), "cache": cache},
        "generator": GENERATOR,
        "engine": {"threads": 1},
        "stitch": stitcher,
        "train": {"epochs": 1},
    }
    with tempfile.TemporaryDirectory() as folder:
        started, worked = perf_counter(), process_time()
        run = train(config, out=Path(folder) / "run", host=host)
        seconds, worked = perf_counter() - started, process_time() - worked
        metrics = run.metrics
    return {
        "label": f"{path.name}, {'in memory' if whole else 'from the file'}",
        "in_memory": whole,
        "training_patterns_per_second": metrics["training"]["patterns_per_second"],
        "reconstruction_patterns_per_second": metrics["reconstruction"]["patterns_per_second"],
        "diffraction_correlation": metrics["diffraction"]["correlation"],
        **scores(metrics),
        "seconds": seconds,
        "cpu_seconds": worked,
        "memory_over_imports_mib": memory() - imports,
        "memory_of_imports_mib": imports,
    }


def memory() -> float:
    """The largest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def alone(task: Any, job: Any) -> dict[str, Any]:
    return side_by_side(task, [job], workers=1)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compared", type=int, default=COMPARED)
    parser.add_argument(
        "--patterns", type=int, nargs="*", default=[10_000], help="none: the rows of the last results stay as they are"
    )
    parser.add_argument("--pairs", type=int, default=3, help="runs from the file and from memory that are compared")
    parser.add_argument("--stitch", default="synchronised")
    parser.add_argument("--cache", type=int, default=2**28, help="bytes of data.cache")
    parser.add_argument("--folder", type=Path, help="where the scans go; kept there")
    arguments = parser.parse_args()
    content: dict[str, Any] = {
        "pixels": PIXELS,
        "object": SIZE,
        "generator": GENERATOR,
        "stitcher": arguments.stitch,
        "cache_mib": arguments.cache / 2**20,
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        content |= compared(folder / "compared.h5", arguments.compared, arguments.pairs, arguments.stitch)
        content |= {"rows": []} if arguments.patterns else rows_that_are_there()
        print(write_results("streaming", content), flush=True)
        for patterns in arguments.patterns:
            path = folder / f"scan_{patterns}.h5"
            scan = alone(simulated, (patterns, path))
            run = alone(reconstructed, (path, False, arguments.cache, arguments.stitch))
            content["rows"].append({"scan": scan, **run})
            print(write_results("streaming", content), flush=True)


def rows_that_are_there() -> dict[str, Any]:
    """Those of the last results, with the command that made them."""
    last = json.loads((RESULTS / "streaming.json").read_text(encoding="utf-8"))
    return {"rows": last["rows"], "rows_command": last.get("rows_command", last["command"])}


def compared(path: Path, patterns: int, pairs: int, stitcher: str) -> dict[str, Any]:
    """The same scan from the file, nothing kept, and from memory: medians of the rates, one over the other."""
    alone(simulated, (patterns, path))
    runs = [alone(reconstructed, (path, whole, 0, stitcher)) for _ in range(pairs) for whole in (False, True)]

    def ratio(name: str) -> float:
        file, memory = (median(run[name] for run in runs if run["in_memory"] is whole) for whole in (False, True))
        return file / memory

    return {
        "reading": alone(reading, path),
        "pairs": runs,
        "file_over_memory": {
            "training": ratio("training_patterns_per_second"),
            "reconstruction": ratio("reconstruction_patterns_per_second"),
            # What all threads did together: reading counts in full here, whatever else the machine does.
            "without_overlap": 1 / ratio("cpu_seconds"),
        },
    }


if __name__ == "__main__":
    main()
