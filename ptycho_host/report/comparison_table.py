"""The ranked table of a comparison: on a terminal, as plain text, as CSV, and as rows for the page."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ptycho_host.metrics.comparison import Comparison, ComparisonRow, Score
from ptycho_host.report.tables import DASH, QUANTITIES, Quantity

SHOWN = (
    "amplitude.ssim", "amplitude.mae", "amplitude.psnr", "amplitude.frc50",
    "phase.ssim", "phase.mae", "phase.psnr", "phase.frc50",
    "diffraction.correlation", "diffraction.residual",
    "training.seconds", "training.patterns_per_second", "training.parameters",
    "training.peak_memory_mib", "training.collapsed",
    "reconstruction.patterns_per_second",
)  # fmt: skip
NOT_KNOWN = "the file does not tell"
PLUS_MINUS = " \N{PLUS-MINUS SIGN} "


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure and its spread as text, the number to sort by, why a dash stands for it, and whether none is better."""

    mean: str
    spread: str
    value: float | None
    reason: str = ""
    best: bool = False

    @property
    def text(self) -> str:
        """`mean ± spread`."""
        return f"{self.mean}{PLUS_MINUS}{self.spread}" if self.spread else self.mean


@dataclass(frozen=True, slots=True)
class Column:
    """A quantity with a cell for every row of the comparison; `better` is 1 where more is better, -1 where less is."""

    group: str
    label: str
    unit: str
    better: int
    cells: tuple[Cell, ...]

    @property
    def width(self) -> int:
        """Letters of the widest text in the column."""
        return max(len(text) for text in (self.group, self.label, self.unit, *(cell.text for cell in self.cells)))


def columns_of(comparison: Comparison) -> list[Column]:
    """The shown quantities that any row has, in a fixed order."""
    quantities = {f"{quantity.block}.{quantity.key}": quantity for quantity in QUANTITIES}
    chosen = (quantities[key] for key in SHOWN)
    return [
        Column(quantity.group, quantity.label, quantity.unit, quantity.better, _cells(quantity, comparison.rows))
        for quantity in chosen
        if any(_score(row, quantity) is not None for row in comparison.rows)
    ]


def print_comparison(console: Console, comparison: Comparison, paths: Sequence[str] = ()) -> None:
    """Print the table in as many parts as the width asks for, the rule, the remarks and where things were written."""
    terminal = console.is_terminal
    for number, part in enumerate(_parts(comparison, console.width)):
        if number:
            console.print()
        console.print(_rich(comparison, part) if terminal else Text(_plain(comparison, part)), soft_wrap=not terminal)
    remarks = [_sentence(comparison.rule), *comparison.notes, *footnotes(comparison)]
    for remark in remarks:
        console.print(Text(remark, style="dim" if terminal else ""), soft_wrap=True)
    for path in paths:
        console.print(Text(path, style="bold" if terminal else ""), soft_wrap=True)


def comparison_csv(comparison: Comparison) -> str:
    """One line a row with all figures: `amplitude.ssim`, `amplitude.ssim spread`, …; empty where not defined."""
    keys = dict.fromkeys(
        f"{block}.{key}" for row in comparison.rows for block, scores in row.scores.items() for key in scores
    )
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    figures = [name for key in keys for name in (key, f"{key} spread")]
    writer.writerow(["rank", "name", "runs", "sources", *figures])
    for row in comparison.rows:
        sources = " ".join(judgement.source for judgement in row.judgements)
        cells: list[object] = [row.rank, row.name, len(row.judgements), sources]
        for block, key in (key.split(".", 1) for key in keys):
            score = row.scores.get(block, {}).get(key, Score(None))
            cells += [score.mean, score.spread]
        writer.writerow(["" if cell is None else cell for cell in cells])
    return lines.getvalue()


def footnotes(comparison: Comparison) -> list[str]:
    """Each reason for a dash with the rows and the figures that it holds for; a group by its name where it is whole."""
    columns = columns_of(comparison)
    sizes = Counter(column.group for column in columns)
    found: dict[tuple[str, str], list[str]] = {}
    for index, row in enumerate(comparison.rows):
        undefined: dict[str, list[Column]] = {}
        for column in columns:
            if column.cells[index].reason:
                undefined.setdefault(column.cells[index].reason, []).append(column)
        for reason, places in undefined.items():
            missing = Counter(column.group for column in places)
            what = dict.fromkeys(
                column.group if missing[column.group] == sizes[column.group] else f"{column.group} {column.label}"
                for column in places
            )
            found.setdefault((", ".join(what), reason), []).append(row.name)
    return [f"{DASH} {what} of {', '.join(names)}: {reason}" for (what, reason), names in found.items()]


def rank_text(row: ComparisonRow) -> str:
    """The rank, or a dash."""
    return DASH if row.rank is None else str(row.rank)


def name_text(row: ComparisonRow) -> str:
    """The name, with the number of runs where there are several."""
    return f"{row.name}, {len(row.judgements)} runs" if len(row.judgements) > 1 else row.name


def _score(row: ComparisonRow, quantity: Quantity) -> Score | None:
    return row.scores.get(quantity.block, {}).get(quantity.key)


def _cells(quantity: Quantity, rows: Sequence[ComparisonRow]) -> tuple[Cell, ...]:
    scores = [_score(row, quantity) or Score(None, reason=NOT_KNOWN) for row in rows]
    texts = [_write(quantity, score, len(row.judgements)) for score, row in zip(scores, rows, strict=True)]
    known = [score.mean for score in scores if score.mean is not None]
    best = None
    if quantity.better and len(known) > 1:
        best = max(known) if quantity.better > 0 else min(known)
        shown = {mean for (mean, _), score in zip(texts, scores, strict=True) if score.mean is not None}
        best = best if len(shown) > 1 else None
    return tuple(
        Cell(mean, spread, score.mean, score.reason, best is not None and score.mean == best)
        for (mean, spread), score in zip(texts, scores, strict=True)
    )


def _write(quantity: Quantity, score: Score, runs: int) -> tuple[str, str]:
    """Mean and spread, if there is any, to the same decimal; `1 of 3` for how often something held."""
    if score.mean is None:
        return DASH, ""
    if quantity.key == "collapsed":
        return (f"{round(score.mean * runs)} of {runs}" if runs > 1 else quantity.number(bool(score.mean))), ""
    mean = quantity.number(score.mean)
    if not score.spread:
        return mean, ""
    decimals = len(mean.partition(".")[2])
    plain = mean.strip("-").replace(",", "").replace(".", "").isdecimal()
    return mean, f"{score.spread:,.{decimals}f}" if plain else quantity.number(score.spread)


def _parts(comparison: Comparison, width: int) -> Iterable[list[Column]]:
    """The columns in as few tables as fit the width; those of one group stay together."""
    name_width = max((len(name_text(row)) for row in comparison.rows), default=0) + 4 + 2
    part: list[Column] = []
    used = name_width
    for _, members in groupby(columns_of(comparison), key=lambda column: column.group):
        group = list(members)
        needed = sum(2 + column.width for column in group)
        if part and used + needed > width:
            yield part
            part, used = [], name_width
        part += group
        used += needed
    yield part


def _rich(comparison: Comparison, columns: Sequence[Column]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", justify="right", style="bold")
    table.add_column("", overflow="fold")
    for heading in zip(*_headings(columns), strict=True):
        lines = [Text(heading[0], style="dim"), *map(Text, heading[1:])]
        table.add_column(Text("\n").join(lines), justify="right", no_wrap=True)
    for index, row in enumerate(comparison.rows):
        cells = [column.cells[index] for column in columns]
        figures = [Text(cell.text, style="bold green" if cell.best else "") for cell in cells]
        table.add_row(rank_text(row), Text(name_text(row)), *figures)
    return table


def _plain(comparison: Comparison, columns: Sequence[Column]) -> str:
    lines = [
        *(("", "", *heading) for heading in _headings(columns)),
        *(
            (rank_text(row), name_text(row), *(column.cells[index].text for column in columns))
            for index, row in enumerate(comparison.rows)
        ),
    ]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 1 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _headings(columns: Sequence[Column]) -> list[list[str]]:
    """The lines above the figures: groups, each over its first column; labels; units if there are any."""
    before = ["", *(column.group for column in columns)]
    groups = ["" if column.group == last else column.group for column, last in zip(columns, before, strict=False)]
    lines = [groups, [column.label for column in columns], [column.unit for column in columns]]
    return [line for line in lines if any(line)]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
