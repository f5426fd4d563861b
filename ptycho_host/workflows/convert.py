"""From one file format to another, with bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ptycho_host.config import ComponentChoice
from ptycho_host.contracts import Progress
from ptycho_host.data.scan import PatternSource, Scan
from ptycho_host.plugins import Host
from ptycho_host.report.progress import SilentProgress
from ptycho_host.workflows.scans import read_scan, scan_writer, write_scan


@dataclass(slots=True)
class WatchedPatterns:
    """Patterns of another source; tells `progress` how many were read, and nothing more of a second reading."""

    source: PatternSource
    progress: Progress
    read: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, N, N)."""
        return self.source.shape

    def __getitem__(self, index: Any, /) -> Any:
        """The amplitudes at `index`."""
        block = self.source[index]
        news = min(len(block), self.shape[0] - self.read)
        self.read += news
        self.progress.advance(news)
        return block


def convert(
    source: str | Path,
    out: str | Path,
    *,
    host: Host | None = None,
    reader: ComponentChoice | None = None,
    writer: ComponentChoice | None = None,
    progress: Progress | None = None,
) -> Scan:
    """Write the scan of a file or named data set to `out`, by suffix or with `writer`; returns what was read.

    The patterns go through block by block. Raises the InputErrors of `read_scan` and `scan_writer` before anything
    is written; a file that cannot be read to its end leaves the old `out` as it was.
    """
    host = host or Host.discover()
    scan_writer(out, host, writer)
    scan = read_scan(source, host=host, reader=reader)
    write_watched(scan, out, host, writer, progress or SilentProgress())
    return scan


def write_watched(scan: Scan, out: str | Path, host: Host, writer: ComponentChoice | None, progress: Progress) -> None:
    """`write_scan` with a bar."""
    progress.start(f"writing {Path(out).name}", scan.count, "patterns")
    try:
        watched = replace(scan, amplitudes=WatchedPatterns(scan.amplitudes, progress))
        write_scan(watched, out, host=host, writer=writer)
    finally:
        progress.finish()
