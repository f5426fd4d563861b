"""The uncertainty of an object, beside its true error where that is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ptycho_host.contracts import Uncertainty
from ptycho_host.metrics.region import Region
from ptycho_host.metrics.reliability import Reliability, reliability
from ptycho_host.report.style import (
    MUTED,
    SERIES,
    colour_bar,
    draw_curves_axes,
    draw_map,
    new_figure,
    percentile_limits,
    plain_logarithms,
    row_label,
    scale_bar,
)

Map = NDArray[np.floating[Any]]
COLOURS = "magma"


def uncertainty_figure(
    uncertainty: Uncertainty, region: Region, *, errors: tuple[Map, Map] | None = None, pixel_m: float | None = None
) -> Figure:
    """Standard uncertainty of amplitude and phase inside the region.

    With the errors (H, W) of amplitude and phase, NaN where they must not count: their moduli with the same colours,
    and the root mean square error of pixels of equal uncertainty. `pixel_m` is the side of an object pixel in metres.
    """
    inside = region.slices
    height, width = region.shape
    columns = 1 if errors is None else 3
    figure = new_figure(2.9 * columns + 0.8, 2.5 * min(height / width, 2.0) * 2 + 0.5)
    grid = figure.subplots(2, columns, squeeze=False)
    rows = (("Amplitude", "amplitude", uncertainty.amplitude), ("Phase", "phase (rad)", uncertainty.phase))
    for number, (label, unit, values) in enumerate(rows):
        first, *others = grid[number]
        shown = values[inside]
        limits = (0.0, percentile_limits(shown)[1])
        image = draw_map(first, shown, COLOURS, limits, "" if number else "Standard uncertainty")
        row_label(first, label)
        if errors is not None:
            error = errors[number][inside]
            draw_map(others[0], np.abs(error), COLOURS, limits, "" if number else "True error")
            _draw_reliability(others[1], reliability(error, shown), unit, "" if number else "Reliability")
        colour_bar(image, others[0] if others else first, unit)
    scale_bar(grid[0][0], region.shape, pixel_m)
    return figure


def _draw_reliability(axes: Axes, found: Reliability | None, unit: str, title: str) -> None:
    draw_curves_axes(axes, title, f"uncertainty, {unit}", "root mean square error")
    axes.set_box_aspect(1)
    if found is None:
        return
    both = np.concatenate([found.predicted, found.found])
    ends = (float(both[both > 0].min(initial=both.max())) / 1.3, float(both.max()) * 1.3)
    axes.plot(ends, ends, color=MUTED, linewidth=0.9, linestyle="--")
    axes.loglog(found.predicted, found.found, "o-", color=SERIES[0], markersize=4, linewidth=1.4)
    for axis in (axes.xaxis, axes.yaxis):
        plain_logarithms(axis, *ends)
