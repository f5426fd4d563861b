"""The page of a comparison: the ranked table, the objects side by side and the curves in one file, readable offline.

Its script sorts the table by the numbers that the cells carry (`data-value`, `data-better`) and zooms all panels
together; without it everything is still there, and the panels still switch. All figures are in the page as JSON too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from ptycho_host.metrics.comparison import Comparison
from ptycho_host.report.comparison_panels import Panels, panels_of
from ptycho_host.report.comparison_table import columns_of, footnotes, name_text, rank_text
from ptycho_host.report.page import PageFigure, flattened, templates
from ptycho_host.report.style import metres

TIMES = "\N{MULTIPLICATION SIGN}"


def render_comparison(
    comparison: Comparison, figures: Sequence[PageFigure], environment: Mapping[str, Any] | None = None
) -> str:
    """The page as HTML text; all text is escaped. `environment` is shown as dotted names."""
    columns = columns_of(comparison)
    panels = panels_of(comparison)
    rows = [
        {
            "rank": row.rank,
            "rank_text": rank_text(row),
            "name": name_text(row),
            "sources": [judgement.source for judgement in row.judgements],
            "cells": [column.cells[index] for column in columns],
        }
        for index, row in enumerate(comparison.rows)
    ]
    return (
        templates()
        .get_template("comparison_page.html.j2")
        .render(
            title="Comparison",
            subtitle=f"{len(rows)} {'methods' if len(rows) > 1 else 'method'}, {comparison.rule}",
            highlights=[],
            notes=comparison.notes,
            rows=rows,
            columns=columns,
            groups=[(group, len(list(members))) for group, members in groupby(columns, lambda column: column.group)],
            starts=[
                index for index, column in enumerate(columns) if not index or columns[index - 1].group != column.group
            ],
            footnotes=footnotes(comparison),
            panels=panels,
            about=about_text(comparison, panels),
            figures=figures,
            scans=comparison.scans,
            alignment=alignment_text(comparison),
            # Inside a script element only "</" and "<!--" could end the data.
            data=json.dumps(comparison.as_json(), allow_nan=False).replace("<", "\\u003c"),
            config="",
            environment=flattened(environment or {}),
        )
    )


def alignment_text(comparison: Comparison) -> str:
    """What was taken out of every object before it was compared."""
    if all(scan.truth is None for scan in comparison.scans):
        return "The amplitude scale was fitted to the measured patterns."
    removed = ["amplitude scale", "constant phase"]
    removed += ["linear phase"] if comparison.remove_plane else []
    removed += ["shift"] if comparison.register else []
    return f"Taken out of every object before it was compared: {', '.join(removed)}."


def about_text(comparison: Comparison, panels: Panels) -> str:
    """What the panels show: colours, size, which runs, and what is left out."""
    scan = comparison.scans[comparison.shown]
    height, width = panels.shape
    said = [
        f"{width} {TIMES} {height} object pixels{f', {metres(width * scan.pixel_m)} wide' if scan.pixel_m else ''}."
    ]
    if panels.factor > 1:
        said.append(f"A pixel of the pictures is the mean of {panels.factor} {TIMES} {panels.factor}.")
    said.append("All maps have one colour scale.")
    if scan.truth is not None:
        said[-1] = (
            "All maps have the colour scale of the truth; errors have one too, which suits the object in the middle."
        )
    if len(comparison.scans) > 1:
        said.append(f"Of several runs that of scan {scan.name} ({scan.origin}) is shown.")
    left_out = [row.name for row in comparison.rows if row.name not in comparison.examples()]
    if left_out:
        said.append(f"Not of this scan, so not shown: {', '.join(left_out)}.")
    return " ".join(said)
