"""Rows of a study as a table on the terminal, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, TypeAlias

from rich.table import Table
from rich.text import Text

from ptycho_host.atomic import write_text

Row: TypeAlias = Mapping[str, Any]
"""One line: values by the name of their column; None where a value is not defined."""

DASH = "\N{EN DASH}"


def columns_of(rows: Sequence[Row]) -> list[str]:
    """The names of all columns, in the order in which the rows bring them."""
    return list(dict.fromkeys(name for row in rows for name in row))


def rich_table(rows: Sequence[Row], title: str | None = None) -> Table:
    """The rows for a terminal: numbers to four digits on the right, text on the left, a dash for None."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns_of(rows):
        text = any(isinstance(row.get(name), str) for row in rows)
        table.add_column(Text(name.replace("_", " ")), justify="left" if text else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell_text(row.get(name))) for name in columns_of(rows)))
    return table


def cell_text(value: Any) -> str:
    """A value as it is shown: `0.9912`, `1,200`, `yes`, and a dash for None."""
    match value:
        case None:
            return DASH
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.4g}"
        case _:
            return str(value)


def markdown_table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    names = columns_of(rows)
    lines = [[name.replace("_", " ") for name in names], ["---"] * len(names)]
    lines += [[cell_text(row.get(name)) for name in names] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def csv_text(rows: Sequence[Row]) -> str:
    """The rows as CSV with all digits; None is an empty cell."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns_of(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def averaged(rows: Sequence[Row], by: Sequence[str], values: Sequence[str], over: str = "seed") -> list[Row]:
    """One row for each combination of the columns `by`: the mean of each of the `values`, and its spread over seeds.

    What one seed has several rows for (test images) is averaged first; `NAME_sd` is the sample standard deviation of
    the seeds' means, None for a single seed. Values that are None are left out of both, and columns without any.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in by), []).append(row)
    table: list[Row] = []
    for key, members in groups.items():
        line: dict[str, Any] = dict(zip(by, key, strict=True))
        line["seeds"] = len({row.get(over) for row in members})
        for name in values:
            by_seed: dict[Any, list[float]] = {}
            for row in members:
                if row.get(name) is not None:
                    by_seed.setdefault(row.get(over), []).append(float(row[name]))
            means = [fmean(found) for found in by_seed.values()]
            line[name] = fmean(means) if means else None
            line[f"{name}_sd"] = stdev(means) if len(means) > 1 else None
        table.append(line)
    return [{name: row[name] for name in row if any(line[name] is not None for line in table)} for row in table]


def write_tables(folder: Path, rows: Sequence[Row], facts: Mapping[str, Any]) -> tuple[Path, Path]:
    """Write `table.csv`, and `metrics.json`, which has the `facts` (settings, machine) beside the `rows`."""
    table, data = folder / "table.csv", folder / "metrics.json"
    write_text(table, csv_text(rows))
    write_text(data, json.dumps({**facts, "rows": list(rows)}, indent=2, allow_nan=False) + "\n")
    return table, data
