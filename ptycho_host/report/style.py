"""The look that all figures share: canvas, type sizes, colour maps, colour bars, scale bars.

Figures are built from `matplotlib.figure.Figure` alone, so drawing changes no global state of matplotlib.
"""

from __future__ import annotations

import io
from typing import Any

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

Map = NDArray[np.floating[Any]]
Limits = tuple[float, float]

INK = "#1f2933"
MUTED = "#6b7785"
GRID = "#d9dee4"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#666666")
"""Okabe and Ito's colours, told apart with any colour vision."""

TITLE, LABEL, TICK = 10.0, 9.0, 8.0

AMPLITUDE_MAP = "gray"
PHASE_MAP = "viridis"
CYCLIC_PHASE_MAP = "twilight"
"""For phases that use most of the circle: -pi and pi have one colour."""
ERROR_MAP = "RdBu_r"
"""Diverging, white at zero."""
COUNTS_MAP = "inferno"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` x `height` inches with its own canvas and constrained layout."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure, dpi: int = 170) -> bytes:
    """The figure as a PNG file's bytes, for the caller to write; the same figure always gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def percentile_limits(values: Map, low: float = 0.5, high: float = 99.5) -> Limits:
    """Colour limits that leave out the most extreme values; a little room around a flat map."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    bottom, top = (float(value) for value in np.percentile(finite, [low, high]))
    if top - bottom <= 1e-5 * max(abs(top), abs(bottom), 1e-3):
        room = 0.05 * max(abs(top), 0.1)
        return bottom - room, top + room
    return bottom, top


def symmetric_limits(*errors: Map) -> Limits:
    """Limits (-x, x) that hold 99 % of all values of the error maps."""
    finite = np.concatenate([np.abs(error[np.isfinite(error)]) for error in errors])
    largest = float(np.percentile(finite, 99)) if finite.size else 0.0
    largest = largest if largest > 0 else 1e-12
    return -largest, largest


def phase_colours(phase: Map) -> tuple[str, Limits]:
    """Colour map and limits in radians for a phase map: cyclic over -pi to pi once it uses 3/4 of the circle."""
    limits = percentile_limits(phase)
    if limits[1] - limits[0] > 1.5 * np.pi:
        return CYCLIC_PHASE_MAP, (-np.pi, np.pi)
    return PHASE_MAP, limits


def draw_map(axes: Axes, values: Map, colour_map: str, limits: Limits, title: str = "") -> AxesImage:
    """Draw a map (H, W), row 0 on top, without ticks."""
    image = axes.imshow(values, cmap=colour_map, vmin=limits[0], vmax=limits[1], interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(edgecolor=GRID, linewidth=0.8)
    if title:
        axes.set_title(title, fontsize=TITLE, color=INK, pad=5)
    return image


def blank_map(axes: Axes) -> None:
    """Leave the place of a map empty, yet able to carry a row's label."""
    axes.set(xticks=[], yticks=[], facecolor="none")
    axes.set_box_aspect(1)
    axes.spines[:].set_visible(False)


def row_label(axes: Axes, text: str) -> None:
    """Name the row of maps that begins with `axes`."""
    axes.set_ylabel(text, fontsize=TITLE, color=INK, labelpad=6)


def colour_bar(image: AxesImage, axes: Axes, label: str) -> None:
    """A colour bar on the right of `axes`, as high as the map in it; `label` names quantity and unit."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(image, cax=axes.inset_axes((1.03, 0.0, 0.045, 1.0)))
    bar.set_label(label, fontsize=LABEL, color=INK)
    bar.ax.tick_params(labelsize=TICK, colors=INK, width=0.6, length=3)
    bar.outline.set_visible(False)
    if not isinstance(image.norm, LogNorm):
        bar.locator = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
        bar.update_ticks()


def scale_bar(axes: Axes, shape: tuple[int, ...], pixel_m: float | None) -> None:
    """A bar of a round length, at most 3/10 of the map's width, in metres if the pixel's side is known."""
    width = shape[1]
    unit = pixel_m if pixel_m else 1.0
    length = _round_length(0.3 * width * unit)
    pixels = length / unit
    label = metres(length) if pixel_m else f"{length:g} px"
    left, bottom = 0.05 * width, 0.94 * shape[0]

    def outline(line_width: float) -> list[effects.AbstractPathEffect]:
        return [effects.withStroke(linewidth=line_width, foreground="black", alpha=0.75)]

    axes.plot(
        [left, left + pixels],
        [bottom, bottom],
        color="white",
        linewidth=2.4,
        solid_capstyle="butt",
        path_effects=outline(4.4),
        scalex=False,
        scaley=False,
    )
    above = bottom - 0.025 * shape[0]
    axes.text(left, above, label, color="white", fontsize=TICK, weight="bold", va="bottom", path_effects=outline(2.6))


def draw_curves_axes(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    """Give axes for curves the common look: light grid, no frame above and to the right."""
    axes.set_title(title, fontsize=TITLE, color=INK, loc="left")
    axes.set_xlabel(x_label, fontsize=LABEL, color=INK)
    axes.set_ylabel(y_label, fontsize=LABEL, color=INK)
    axes.tick_params(labelsize=TICK, colors=INK, width=0.6, length=3, which="both")
    axes.grid(True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), edgecolor=MUTED, linewidth=0.8)


def plain_logarithms(axis: Axis, lowest: float, highest: float) -> None:
    """Write the ticks of a logarithmic axis as plain numbers: 1, 2 and 5 of each power of ten where they are few."""
    few = np.log10(highest / lowest) < 3
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _round_length(length: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that does not exceed `length`."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(max(digit for digit in (1, 2, 5) if digit * power <= length * (1 + 1e-9)) * power)


def metres(length: float) -> str:
    """A length in metres with the prefix that suits it."""
    for unit, size in (("mm", 1e-3), ("\N{MICRO SIGN}m", 1e-6), ("nm", 1e-9)):
        if length >= size * (1 - 1e-9):
            return f"{length / size:.4g} {unit}"
    return f"{length / 1e-12:.4g} pm"
