"""Make another scan of a scan, in steps, and write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ptycho_host.config import ComponentChoice
from ptycho_host.contracts import Progress
from ptycho_host.data.scan import Scan
from ptycho_host.plugins import Host
from ptycho_host.preparation.selection import split
from ptycho_host.preparation.steps import Step, apply_steps, noted
from ptycho_host.report.progress import SilentProgress
from ptycho_host.workflows.convert import write_watched
from ptycho_host.workflows.scans import read_scan, scan_writer


@dataclass(frozen=True, slots=True)
class Split:
    """Where a scan is cut in two: the second side goes into the file `rest`; see `preparation.selection.split`."""

    axis: Literal["y", "x"]
    rest: Path
    fraction: float = 0.5
    gap: float = 0.0


def prepare(
    source: str | Path,
    out: str | Path,
    steps: Sequence[Step],
    *,
    split_at: Split | None = None,
    host: Host | None = None,
    reader: ComponentChoice | None = None,
    writer: ComponentChoice | None = None,
    progress: Progress | None = None,
) -> list[Scan]:
    """Apply the steps to a file or named data set and write the scan, or both sides of it; returns what was written.

    Patterns go through block by block. Raises InputErrors before anything is written.
    """
    host, progress = host or Host.discover(), progress or SilentProgress()
    targets = [Path(out)] if split_at is None else [Path(out), split_at.rest]
    for target in targets:
        scan_writer(target, host, writer)
    scan = apply_steps(read_scan(source, host=host, reader=reader), steps)
    scans = [scan]
    if split_at is not None:
        sides = split(scan, split_at.axis, split_at.fraction, split_at.gap)
        note = {"step": "split", "axis": split_at.axis, "fraction": split_at.fraction, "gap": split_at.gap}
        scans = [noted(side, {**note, "side": number}) for number, side in enumerate(sides, start=1)]
    for prepared, target in zip(scans, targets, strict=True):
        write_watched(prepared, target, host, writer, progress)
    return scans
