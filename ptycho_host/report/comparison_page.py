"""The page of a comparison: the ranked table and the figures in one file, readable offline and without JavaScript.

The table's cells carry their numbers (`data-value`, `data-better`) and the page holds all figures as JSON, so that a
script can sort and filter later without another copy of the data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from ptycho_host.metrics.comparison import Comparison
from ptycho_host.report.comparison_table import columns_of, footnotes, name_text, rank_text
from ptycho_host.report.page import PageFigure, flattened, templates


def render_comparison(
    comparison: Comparison, figures: Sequence[PageFigure], environment: Mapping[str, Any] | None = None
) -> str:
    """The page as HTML text; all text is escaped. `environment` is shown as dotted names."""
    columns = columns_of(comparison)
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
