"""The report page: one HTML file with everything in it, readable offline and without JavaScript."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ptycho_host.report.tables import Metrics, result_rows


@dataclass(frozen=True, slots=True)
class PageFigure:
    """A figure of the page: heading, PNG bytes, and what is to be seen in it."""

    title: str
    png: bytes = field(repr=False)
    caption: str = ""

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return data_uri(self.png)


def data_uri(png: bytes) -> str:
    """A PNG file's bytes as the address of a picture that needs no file."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def render_page(
    title: str,
    results: Mapping[str, Metrics],
    *,
    subtitle: str = "",
    figures: Sequence[PageFigure] = (),
    notes: Sequence[str] = (),
    config: str = "",
    environment: Mapping[str, Any] | None = None,
) -> str:
    """The page as HTML text.

    results: `metrics.json` of each run, by name. notes: warnings and remarks, shown first. config: the resolved
    configuration as TOML text. environment: `environment.json`; nested values are shown as dotted names. All text is
    escaped.
    """
    rows = result_rows(results)
    return (
        templates()
        .get_template("page.html.j2")
        .render(
            title=title,
            subtitle=subtitle,
            names=list(results),
            highlights=_highlights(results),
            blocks=[(block, list(members)) for block, members in groupby(rows, key=lambda row: row.block)],
            figures=figures,
            notes=notes,
            config=config,
            environment=flattened(environment or {}),
        )
    )


def templates() -> Environment:
    """The templates of this package; everything put into them is escaped, and nothing may be missing."""
    return Environment(
        loader=PackageLoader("ptycho_host.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def flattened(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested mappings as (dotted name, text) pairs in their order."""
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            pairs += flattened(value, f"{prefix}{key}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            pairs.append((f"{prefix}{key}", text))
    return pairs


def _highlights(results: Mapping[str, Metrics]) -> list[tuple[str, str]]:
    """The figures that a reader looks for first, if the page is about a single run."""
    if len(results) != 1:
        return []
    wanted = {
        ("Amplitude", "SSIM"), ("Phase", "SSIM"), ("Diffraction", "correlation"), ("Training", "time"),
        ("Reconstruction", "throughput"),
    }  # fmt: skip
    rows = result_rows(results)
    return [(f"{row.block} {row.label}", row.cells[0]) for row in rows if (row.block, row.label) in wanted]
