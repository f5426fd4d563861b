"""Figures of a comparison: the maps of all objects with common colour limits, and their errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ptycho_host.metrics.alignment import Complex
from ptycho_host.metrics.frc import FRCCurve
from ptycho_host.metrics.region import Region
from ptycho_host.report.comparison_maps import Quantity, maps_of
from ptycho_host.report.curve_figures import frc_figure
from ptycho_host.report.style import (
    ERROR_MAP,
    TICK,
    blank_map,
    colour_bar,
    draw_map,
    new_figure,
    row_label,
    scale_bar,
)

COLUMNS = 5
"""Maps side by side; more go into further rows."""
SIDE = 2.5
"""Width of a map in inches."""
TITLE_LETTERS = 26
"""How many letters of a name fit above a map."""
LEGEND_LETTERS = 56
"""How many fit below a curve."""


def maps_figure(
    quantity: Quantity,
    objects: Mapping[str, Complex],
    region: Region,
    *,
    truth: Complex | None = None,
    pixel_m: float | None = None,
) -> Figure:
    """Amplitude or phase of aligned objects (H, W), by name, inside the region, all with the same colour limits.

    With a truth (H, W) it comes first and gives the limits, and below each object stands its signed error.
    """
    maps = maps_of(quantity, objects, region, truth)
    unit = f" ({maps.unit})" if maps.unit else ""
    panels = ([("Truth", maps.truth, None)] if maps.truth is not None else []) + [
        (name, image, maps.errors.get(name)) for name, image in maps.images.items()
    ]
    columns = min(len(panels), COLUMNS)
    bands = [panels[first : first + columns] for first in range(0, len(panels), columns)]
    lines = 1 if maps.truth is None else 2
    lines_of_title = max(_title(name).count("\n") for name, _, _ in panels) + 1
    height = SIDE * panels[0][1].shape[0] / panels[0][1].shape[1]
    figure = new_figure((SIDE + 0.05) * columns + 0.9, ((height + 0.1) * lines + 0.17 * lines_of_title) * len(bands))
    grid = figure.subplots(lines * len(bands), columns, squeeze=False)
    for number, band in enumerate(bands):
        upper, lower = grid[number * lines], grid[number * lines + 1] if lines == 2 else ()
        for axes, (name, image, _) in zip(upper, band, strict=False):
            draw_map(axes, image, maps.colours, maps.limits, _title(name))
        _finish(upper, quantity.capitalize(), f"{quantity}{unit}")
        for axes, (_, _, error) in zip(lower, band, strict=False):
            if error is not None:
                draw_map(axes, error, ERROR_MAP, maps.error_limits)
        if lines == 2:
            _finish(lower, "Error", f"{quantity} error{unit}")
    scale_bar(grid[0][0], panels[0][1].shape, pixel_m)
    return figure


def correlations_figure(curves: Mapping[str, Mapping[str, FRCCurve]]) -> Figure:
    """Fourier ring correlations with the truth, quantity -> name -> curve, the names below the axes."""
    figure = frc_figure(curves)
    lines = 0
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        wrapped = [fill(label, LEGEND_LETTERS) for label in labels]
        lines = max(lines, sum(label.count("\n") + 1 for label in wrapped))
        axes.legend(
            handles, wrapped, loc="upper left", bbox_to_anchor=(0.0, -0.18), borderaxespad=0.0, fontsize=TICK,
            frameon=False,
        )  # fmt: skip
    figure.set_figheight(3.6 + 0.18 * lines)
    return figure


def _finish(line: Iterable[Axes], label: str, unit: str) -> None:
    """Empty the unused places of a row of maps, name it, and put the colour bar after its last map."""
    axes_of_line = list(line)
    for axes in axes_of_line:
        if not axes.images:
            blank_map(axes)
    row_label(axes_of_line[0], label)
    drawn = [axes for axes in axes_of_line if axes.images]
    colour_bar(drawn[-1].images[0], drawn[-1], unit)


def _title(name: str) -> str:
    return fill(name, TITLE_LETTERS)
