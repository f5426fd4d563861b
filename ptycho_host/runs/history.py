"""The training history, one JSON object a line, so that a killed run leaves what it had."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from ptycho_host.atomic import write_text
from ptycho_host.errors import RunFailedError
from ptycho_host.records import EpochReport


def append_report(path: Path, report: EpochReport) -> None:
    """Add one line, on the disk when this returns; raises RunFailedError when it cannot be written.

    An epoch that is done again, after a crash or a setback, replaces its line and those after it; a line that a
    crash cut off is dropped.
    """
    if path.is_file():
        earlier = read_history(path)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if len(earlier) < len(lines) or any(entry.epoch >= report.epoch for entry in earlier):
            keep_epochs(path, report.epoch - 1)
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(report)) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RunFailedError(f"cannot write {path}: {error.strerror}.") from error


def read_history(path: Path) -> list[EpochReport]:
    """All whole lines; a last line cut off by a crash is left out."""
    if not path.is_file():
        return []
    reports = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            reports.append(EpochReport(**json.loads(line)))
        except (ValueError, TypeError):
            break
    return reports


def keep_epochs(path: Path, epochs: int) -> None:
    """Drop what was written after the first `epochs` epochs."""
    kept = [report for report in read_history(path) if report.epoch <= epochs]
    write_text(path, "".join(json.dumps(asdict(report)) + "\n" for report in kept))
