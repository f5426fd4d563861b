"""The SSIM of all combinations of the overlap study at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from ptycho_host.report.style import INK, LABEL, MUTED, TICK, TITLE, new_figure
from ptycho_studies.tables import Row

COLOURS = "viridis"
PARTS = ("amplitude", "phase")


def overlap_figure(rows: Sequence[Row]) -> Figure:
    """One map for amplitude, one for phase: networks and grid sizes below each other, overlaps and doses side by side.

    Each field holds its SSIM, dark for 0 and bright for 1; a dash stands where nothing was trained, or where the SSIM
    is not defined.
    """
    lines = list(dict.fromkeys((row["generator"], row["gridsize"]) for row in rows))
    columns = list(
        dict.fromkeys((row["overlap"], row["dose"]) for row in sorted(rows, key=lambda row: -row["overlap"]))
    )
    figure = new_figure(1.5 * max(len(columns), 2) + 3.6, 0.5 * len(lines) + 1.9)
    grid = figure.subplots(1, len(PARTS), sharey=True)
    for axes, part in zip(grid, PARTS, strict=True):
        values = {
            ((row["generator"], row["gridsize"]), (row["overlap"], row["dose"])): row[f"{part}_ssim"] for row in rows
        }
        image = _draw(axes, lines, columns, values)
        axes.set_title(f"{part.capitalize()} SSIM", fontsize=TITLE, color=INK, pad=22)
    grid[0].set_yticks(
        range(len(lines)), [f"{name}, gridsize {size}" for name, size in lines], fontsize=LABEL, color=INK
    )
    bar = figure.colorbar(image, ax=list(grid), pad=0.01, aspect=18)
    bar.ax.tick_params(labelsize=TICK, colors=INK)
    bar.outline.set_visible(False)
    return figure


def _draw(axes: Axes, lines: list[Any], columns: list[Any], values: dict[Any, float | None]) -> AxesImage:
    table = np.array([[values.get((line, column)) for column in columns] for line in lines], dtype=np.float64)
    image = axes.imshow(table, cmap=COLOURS, vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        known = bool(np.isfinite(value))
        colour = MUTED if not known else "black" if value > 0.55 else "white"
        text = f"{value:.2f}" if known else "\N{EN DASH}"
        axes.text(column, row, text, ha="center", va="center", fontsize=LABEL, color=colour)
    axes.set_xticks(range(len(columns)), [dose for _, dose in columns], fontsize=TICK, color=INK)
    axes.set_xlabel("mean photons a pattern", fontsize=LABEL, color=INK)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    overlaps = [overlap for overlap, _ in columns]
    for overlap in dict.fromkeys(overlaps):
        places = [place for place, other in enumerate(overlaps) if other == overlap]
        middle = (places[0] + places[-1]) / 2
        axes.text(middle, -0.62, f"overlap {overlap:g}", ha="center", va="bottom", fontsize=LABEL, color=INK)
        if places[0] > 0:
            axes.axvline(places[0] - 0.5, color="white", linewidth=4)
    return image
