"""What a file is and what is in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ptycho_host.config import ComponentChoice
from ptycho_host.metrics.scan_summary import ScanSummary, summarise
from ptycho_host.plugins import Host
from ptycho_host.workflows.scans import read_scan, scan_maker


@dataclass(frozen=True, slots=True)
class Inspection:
    """A file or data set: `format` is the reader that knows it, `extras` the arrays that the host has no use for."""

    name: str
    format: str
    extras: tuple[str, ...]
    metadata: dict[str, Any]
    summary: ScanSummary

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        own = {"name": self.name, "format": self.format, "extras": list(self.extras), "metadata": self.metadata}
        return own | asdict(self.summary)


def inspect(source: str | Path, *, host: Host | None = None, reader: ComponentChoice | None = None) -> Inspection:
    """Read a file or named data set once and describe it; empty patterns are counted, not refused.

    Raises the InputErrors of `read_scan`.
    """
    host = host or Host.discover()
    maker = scan_maker(source, host, reader)
    given = dict(reader.options) if reader else {}
    if "empty" in type(maker.options).model_fields and "empty" not in given:
        reader = ComponentChoice(name=maker.chosen, options={**given, "empty": "keep"})
    scan = read_scan(source, host=host, reader=reader)
    kind, name = maker.component.kind, maker.component.name
    return Inspection(
        name=scan.name,
        format=f"{name}: {maker.component.summary}" if kind == "reader" else f"data set {name}",
        extras=tuple(sorted([*scan.per_pattern, *scan.extras])),
        metadata=dict(scan.metadata),
        summary=summarise(scan),
    )
