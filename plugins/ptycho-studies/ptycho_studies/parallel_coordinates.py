"""A figure of a sweep: one vertical axis an option or result, one line a trained network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ptycho_host.report.style import GRID, INK, LABEL, MUTED, TICK, new_figure

COLOURS = "viridis"
FAN = 0.5
"""How far lines through the same value of an option spread, in distances between neighbouring values."""
WIDEST = 0.2
"""The most that they spread, in heights of the figure."""
MOST_TICKS = 12
"""Values of an option that are listed one by one; more of them become a scale."""


@dataclass(frozen=True, slots=True)
class Column:
    """One axis: its label, the value of each line (None where there is none), and whether it is an option.

    Options take few values, listed from below in the order of their first appearance or by size; results are numbers.
    """

    label: str
    values: Sequence[Any]
    is_option: bool = False


def parallel_coordinates(columns: Sequence[Column], scores: Sequence[float | None], score_label: str) -> Figure:
    """Lines through all columns, coloured by their scores, the best on top; grey and dashed without a score."""
    known = [score for score in scores if score is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    norm = Normalize(low, high if high > low else low + 1e-6)
    colours = ScalarMappable(norm, COLOURS)
    order = sorted(range(len(scores)), key=lambda line: (scores[line] is not None, scores[line] or 0.0))
    heights = np.stack([_heights(column, order) for column in columns])

    figure = new_figure(max(5.0, 1.45 * len(columns)) + 0.9, 4.2)
    axes = figure.subplots()
    for line in order:
        _draw_line(axes, heights[:, line], scores[line], colours.get_cmap(), norm, len(order))
    axes.set(xlim=(-0.35, len(columns) - 0.8), ylim=(-0.06, 1.06), yticks=[])
    axes.set_xticks(range(len(columns)), [column.label for column in columns], fontsize=LABEL, color=INK)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for place, column in enumerate(columns):
        axes.axvline(place, color=MUTED, linewidth=0.9, zorder=3)
        for height, text in _ticks(column):
            axes.text(place - 0.04, height, text, fontsize=TICK, color=INK, ha="right", va="center", zorder=5,
                      bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.0})  # fmt: skip
    if known:
        bar = figure.colorbar(colours, ax=axes, pad=0.01, aspect=30)
        bar.set_label(score_label, fontsize=LABEL, color=INK)
        bar.ax.tick_params(labelsize=TICK, colors=INK)
        bar.outline.set_visible(False)
    return figure


def _draw_line(
    axes: Axes, heights: NDArray[np.float64], score: float | None, colours: Colormap, norm: Normalize, lines: int
) -> None:
    places = np.arange(len(heights))
    if score is None:
        there = np.isfinite(heights)
        axes.plot(places[there], heights[there], "--", color=GRID, linewidth=1.0, zorder=1)
        return
    width, opacity = (1.6, 0.9) if lines <= 30 else (1.1, 0.75)
    axes.plot(places, heights, color=colours(norm(score)), linewidth=width, alpha=opacity, zorder=2)


def _heights(column: Column, order: Sequence[int]) -> NDArray[np.float64]:
    """Where each line crosses the column, from 0 to 1; lines through one value lie side by side, by score."""
    distinct = _listed(column)
    if distinct is None:
        numbers = np.array([np.nan if value is None else float(value) for value in column.values])
        low, high = _bounds(numbers)
        return (numbers - low) / (high - low)
    step = 1 / max(1, len(distinct) - 1)
    heights = np.full(len(column.values), np.nan)
    for number, value in enumerate(distinct):
        lines = [line for line in order if column.values[line] == value]
        room = min(FAN * step, WIDEST) * min(1.0, len(lines) / 8)
        spread = room * (np.arange(len(lines)) - (len(lines) - 1) / 2) / max(1, len(lines))
        # The outermost values keep inside the axis.
        middle = number * step if len(distinct) > 1 else 0.5
        heights[lines] = np.clip(middle, room / 2, 1 - room / 2) + spread
    return heights


def _ticks(column: Column) -> list[tuple[float, str]]:
    distinct = _listed(column)
    if distinct is not None:
        last = max(1, len(distinct) - 1)
        return [(number / last if len(distinct) > 1 else 0.5, _text(value)) for number, value in enumerate(distinct)]
    low, high = _bounds(np.array([np.nan if value is None else float(value) for value in column.values]))
    ticks = [float(tick) for tick in MaxNLocator(5).tick_values(low, high) if low - 1e-12 <= tick <= high + 1e-12]
    return [((tick - low) / (high - low), _text(round(tick, 10))) for tick in ticks]


def _listed(column: Column) -> list[Any] | None:
    """The distinct values of an option, numbers by size; None where the column is a scale of numbers."""
    distinct = list(dict.fromkeys(column.values))
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in distinct)
    if not column.is_option or (numeric and len(distinct) > MOST_TICKS):
        return None
    return sorted(distinct) if numeric else distinct


def _bounds(numbers: NDArray[np.float64]) -> tuple[float, float]:
    finite = numbers[np.isfinite(numbers)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    if high > low:
        return low, high
    room = max(1e-3, abs(low) / 20)
    return low - room, high + room


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, float | int):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
