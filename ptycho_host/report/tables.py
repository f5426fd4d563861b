"""The table of results: on a terminal, as plain text, and as rows for the report page. Input is `metrics.json`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ptycho_host.report.progress import duration

Metrics = Mapping[str, Any]
DASH = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One quantity: its block and name, a text for each run, why a dash stands for it, and the best runs' indices."""

    block: str
    label: str
    cells: tuple[str, ...]
    notes: tuple[str, ...]
    best: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Quantity:
    """Where a quantity stands in the metrics, how it is called and written, and whether more of it is better."""

    block: str
    key: str
    label: str
    number: Callable[[Any], str]
    unit: str = ""
    better: int = 0

    @property
    def group(self) -> str:
        """The block's name as a heading."""
        return self.block.replace("_", "-").capitalize()

    def write(self, value: Any) -> str:
        """The value with its unit."""
        return f"{self.number(value)} {self.unit}" if self.unit else self.number(value)


def _fixed(digits: int) -> Callable[[float], str]:
    return lambda value: f"{value:,.{digits}f}"


def _short(value: float) -> str:
    return f"{value:.3g}"


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"


QUANTITIES = (
    Quantity("amplitude", "ssim", "SSIM", _fixed(4), better=1),
    Quantity("amplitude", "psnr", "PSNR", _fixed(2), "dB", better=1),
    Quantity("amplitude", "mae", "MAE", _short, better=-1),
    Quantity("amplitude", "mse", "MSE", _short, better=-1),
    Quantity("amplitude", "frc50", "FRC50", _fixed(3), "cycles/px", better=1),
    Quantity("phase", "ssim", "SSIM", _fixed(4), better=1),
    Quantity("phase", "psnr", "PSNR", _fixed(2), "dB", better=1),
    Quantity("phase", "mae", "MAE", _short, "rad", better=-1),
    Quantity("phase", "mse", "MSE", _short, "rad\N{SUPERSCRIPT TWO}", better=-1),
    Quantity("phase", "frc50", "FRC50", _fixed(3), "cycles/px", better=1),
    Quantity("diffraction", "correlation", "correlation", _fixed(5), better=1),
    Quantity("diffraction", "r_factor", "R factor", _fixed(4), better=-1),
    Quantity("diffraction", "residual", "residual", _fixed(5), better=-1),
    Quantity("held_out", "correlation", "correlation", _fixed(5), better=1),
    Quantity("held_out", "r_factor", "R factor", _fixed(4), better=-1),
    Quantity("uncertainty", "amplitude", "amplitude", _short),
    Quantity("uncertainty", "phase", "phase", _short, "rad"),
    Quantity("training", "epochs", "epochs", str),
    Quantity("training", "seconds", "time", duration),
    Quantity("training", "patterns_per_second", "throughput", _fixed(0), "patterns/s"),
    Quantity("training", "final_loss", "final loss", _short),
    Quantity("training", "parameters", "parameters", _fixed(0)),
    Quantity("training", "peak_memory_mib", "peak memory", _fixed(0), "MiB"),
    Quantity("training", "collapsed", "collapsed", _yes_no),
    Quantity("reconstruction", "seconds", "time", duration),
    Quantity("reconstruction", "patterns_per_second", "throughput", _fixed(0), "patterns/s"),
    Quantity("refinement", "epochs", "epochs", str),
    Quantity("refinement", "seconds", "time", duration),
    Quantity("refinement", "first_residual", "first residual", _short),
    Quantity("refinement", "last_residual", "last residual", _short),
)


def result_rows(results: Mapping[str, Metrics]) -> list[ResultRow]:
    """Rows for the metrics of one or several runs, by name; quantities that no run has are left out."""
    rows = []
    for quantity in QUANTITIES:
        blocks = [metrics.get(quantity.block) or {} for metrics in results.values()]
        if not any(quantity.key in block for block in blocks):
            continue
        values = [block.get(quantity.key) for block in blocks]
        cells = tuple(DASH if value is None else quantity.write(value) for value in values)
        notes = tuple((block.get("reasons") or {}).get(quantity.key, "") for block in blocks)
        rows.append(ResultRow(quantity.group, quantity.label, cells, notes, _best(values, cells, quantity.better)))
    return rows


def print_results(console: Console, results: Mapping[str, Metrics], paths: Sequence[str] = ()) -> None:
    """Print the table, with reasons for its dashes and where things were written; plain text off a terminal."""
    if console.is_terminal:
        console.print(results_table(results))
        for note in _footnotes(results):
            console.print(Text(note, style="dim"))
    else:
        console.print(Text(plain_table(results)), soft_wrap=True)
    for path in paths:
        console.print(Text(path, style="bold" if console.is_terminal else ""), soft_wrap=True)


def results_table(results: Mapping[str, Metrics]) -> Table:
    """The results as a rich table, one column a run; among several runs the best figure is bold."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=len(results) > 1)
    table.add_column("", style="dim")
    table.add_column("")
    for name in results:
        table.add_column(Text(name), justify="right")
    block = ""
    for row in result_rows(results):
        if block and row.block != block:
            table.add_section()
            table.add_row()
        cells = [Text(cell, style="bold green" if index in row.best else "") for index, cell in enumerate(row.cells)]
        table.add_row("" if row.block == block else row.block, row.label, *cells)
        block = row.block
    return table


def plain_table(results: Mapping[str, Metrics]) -> str:
    """The results as aligned plain text, every line complete in itself, for logs and pipes."""
    lines = [("", *results)] if len(results) > 1 else []
    lines += [(f"{row.block} {row.label}", *row.cells) for row in result_rows(results)]
    if not lines:
        return ""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    written = []
    for label, *cells in lines:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        written.append("  ".join([label.ljust(widths[0]), *padded]))
    return "\n".join([*written, *_footnotes(results)])


def _footnotes(results: Mapping[str, Metrics]) -> list[str]:
    """Each reason for a dash, once, with the quantities that it holds for."""
    names = list(results)
    places: dict[str, list[str]] = {}
    for row in result_rows(results):
        for name, note in zip(names, row.notes, strict=True):
            if note:
                whose = f"{row.block} {row.label}" + (f" of {name}" if len(names) > 1 else "")
                places.setdefault(note, []).append(whose)
    return [f"{DASH} {', '.join(where)}: {note}" for note, where in places.items()]


def _best(values: Sequence[Any], cells: Sequence[str], better: int) -> tuple[int, ...]:
    """Indices of the runs that show the best figure; none if all show the same."""
    known = [value for value in values if value is not None]
    if better == 0 or len(known) < 2:
        return ()
    best = cells[values.index(max(known) if better > 0 else min(known))]
    shown = [cell for cell, value in zip(cells, values, strict=True) if value is not None]
    return () if shown.count(best) == len(shown) else tuple(i for i, cell in enumerate(cells) if cell == best)
