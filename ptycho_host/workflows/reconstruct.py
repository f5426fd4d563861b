"""Reconstruct another scan with a trained run, or with a refiner alone; no training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ptycho_host.config import ComponentChoice
from ptycho_host.contracts import Progress, Reconstruction
from ptycho_host.data.scan import Scan
from ptycho_host.plugins import Host
from ptycho_host.report.progress import SilentProgress
from ptycho_host.runs.product import write_product
from ptycho_host.workflows.ensemble import assemble_ensemble
from ptycho_host.workflows.evaluation import Evaluation, evaluate
from ptycho_host.workflows.refine import configure_refiner, refined
from ptycho_host.workflows.run import Run
from ptycho_host.workflows.scans import load_scan


@dataclass(frozen=True, slots=True)
class Reconstructed:
    """A reconstruction of `scan`, what was measured on it, and the product file if one was written."""

    scan: Scan
    reconstruction: Reconstruction
    evaluation: Evaluation
    path: Path | None


def reconstruct(run: Run | str | Path, data: Scan | str | Path, *, host: Host | None = None) -> Reconstruction:
    """The object of a scan (or of the scan in a file or data set) by a trained run."""
    opened = run if isinstance(run, Run) else Run.open(run, host=host)
    return opened.reconstruct(data)


def reconstruct_to_file(
    run: Run,
    data: str | Path,
    out: Path | None,
    *,
    reader: ComponentChoice | None = None,
    stitch: ComponentChoice | None = None,
    refiner: ComponentChoice | Literal[False] | None = None,
    ensemble: Sequence[Run] = (),
    progress: Progress | None = None,
) -> Reconstructed | None:
    """Reconstruct as `Run.reconstruct` does, measure, and write the product to `out` unless it is None.

    With an `ensemble` the object is the mean of what `run` and those runs make of the scan (`ensemble_mean`).
    Where several processes reconstruct together the first one does so, and the others get None.
    """
    processes = run.processes
    with processes.together():
        scan = load_scan(data, host=run.host, reader=reader)
    progress = (progress if processes.first else None) or SilentProgress()
    assembly = assemble_ensemble([run, *ensemble], scan, stitch=stitch, refiner=refiner, progress=progress)
    with processes.together():
        if not processes.first:
            return None
        evaluation = evaluate(assembly, scan)
        if out is not None:
            write_product(out, assembly.reconstruction, scan, run.history)
    return Reconstructed(scan, assembly.reconstruction, evaluation, out)


def iterate_to_file(
    data: str | Path,
    out: Path | None,
    refiner: ComponentChoice,
    *,
    host: Host,
    reader: ComponentChoice | None = None,
    progress: Progress | None = None,
) -> Reconstructed:
    """Refine from a uniform object, without a network; measure, and write the product to `out` unless it is None."""
    configured = configure_refiner(host, refiner)
    scan = load_scan(data, host=host, reader=reader)
    assembly = refined(scan, configured, None, progress or SilentProgress())
    evaluation = evaluate(assembly, scan)
    if out is not None:
        write_product(out, assembly.reconstruction, scan, [])
    return Reconstructed(scan, assembly.reconstruction, evaluation, out)
