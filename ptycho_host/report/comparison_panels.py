"""The panels of a comparison's page: every map as a picture of its own, pixel by pixel, with common colour bars."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil, sqrt

import numpy as np
from matplotlib import colormaps
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from ptycho_host.metrics.comparison import Comparison
from ptycho_host.report.comparison_maps import QUANTITIES, Map, Maps, maps_of
from ptycho_host.report.page import data_uri
from ptycho_host.report.style import CYCLIC_PHASE_MAP, ERROR_MAP, Limits

MOST_PIXELS = 8_000_000
"""Pixels of all pictures of a page together, so that it stays below some 10 MB; larger maps are averaged down."""
COLOURS = 255
"""Colours in a picture; one more stands for holes."""
TICKS = 6


@dataclass(frozen=True, slots=True)
class View:
    """What all panels can show: `key` names it in the page, `bar` is its colour bar with ticks (place in %, text)."""

    key: str
    label: str
    unit: str
    bar: str = field(repr=False)
    ticks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """One object, or the truth (`row` is None): a picture as a data URI for each view that it has, by key.

    row: index of its row in the comparison. detail: which of the row's runs it is.
    """

    title: str
    row: int | None
    detail: str
    pictures: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Panels:
    """All views and panels; maps of `shape` (h, w) object pixels, of which `factor` x `factor` are one of a picture."""

    views: tuple[View, ...]
    panels: tuple[Panel, ...]
    shape: tuple[int, int]
    factor: int


def panels_of(comparison: Comparison) -> Panels:
    """The truth if there is one and the reconstructions that the figures show, best first."""
    scan = comparison.scans[comparison.shown]
    shown = comparison.examples()
    objects = {name: judgement.object for name, judgement in shown.items()}
    shape = next(iter(objects.values()))[scan.region.slices].shape
    count = 2 * len(objects) if scan.truth is None else 4 * len(objects) + 2
    factor = ceil(sqrt(max(count * shape[0] * shape[1] / MOST_PIXELS, 1)))
    views: list[View] = []
    truth: dict[str, str] = {}
    pictures: dict[str, dict[str, str]] = {name: {} for name in objects}
    errors: list[View] = []
    for quantity in QUANTITIES:
        maps = maps_of(quantity, objects, scan.region, scan.truth)
        views.append(_view(quantity, quantity, maps.unit, maps.colours, maps.limits))
        if maps.truth is not None:
            truth[quantity] = _picture(maps.truth, maps, factor)
        for name, image in maps.images.items():
            pictures[name][quantity] = _picture(image, maps, factor)
        if maps.errors:
            key = f"{quantity}-error"
            errors.append(_view(key, f"{quantity} error", maps.unit, ERROR_MAP, maps.error_limits))
            for name, error in maps.errors.items():
                reduced = _reduced(error, factor, around=quantity == "phase")
                pictures[name][key] = _png(reduced, ERROR_MAP, maps.error_limits)
    places = {row.name: index for index, row in enumerate(comparison.rows)}
    panels = [Panel("Truth", None, scan.name, truth)] if truth else []
    panels += [Panel(name, places[name], judgement.source, pictures[name]) for name, judgement in shown.items()]
    return Panels((*views, *errors), tuple(panels), (shape[0], shape[1]), factor)


def _picture(values: Map, maps: Maps, factor: int) -> str:
    return _png(_reduced(values, factor, around=maps.colours == CYCLIC_PHASE_MAP), maps.colours, maps.limits)


def _reduced(values: Map, factor: int, *, around: bool) -> Map:
    """Means of `factor` x `factor` pixels; `around` the circle for phases whose ends are one."""
    if factor == 1:
        return values
    height, width = (size // factor for size in values.shape)
    blocks = values[: height * factor, : width * factor].reshape(height, factor, width, factor)
    if around:
        return np.asarray(np.angle(np.exp(1j * blocks).mean(axis=(1, 3))))
    return np.asarray(blocks.mean(axis=(1, 3)))


def _png(values: Map, colours: str, limits: Limits) -> str:
    """Indices into a palette, row 0 on top; what is not a number is transparent."""
    low, high = limits
    finite = np.isfinite(values)
    share = np.clip((np.where(finite, values, low) - low) / (high - low), 0, 1)
    indices: NDArray[np.uint8] = np.where(finite, np.round(share * (COLOURS - 1)), COLOURS).astype(np.uint8)
    image = Image.fromarray(indices)
    image.putpalette(_palette(colours).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True, transparency=COLOURS)
    return data_uri(buffer.getvalue())


def _palette(colours: str) -> NDArray[np.uint8]:
    """(256, 3), the last one for holes."""
    known = colormaps[colours](np.linspace(0, 1, COLOURS))[:, :3]
    return np.concatenate([np.round(known * 255), np.zeros((1, 3))]).astype(np.uint8)


def _view(key: str, label: str, unit: str, colours: str, limits: Limits) -> View:
    low, high = limits
    bar = _png(np.linspace(low, high, COLOURS)[np.newaxis], colours, limits)
    values = MaxNLocator(TICKS, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    room = 1e-6 * (high - low)
    ticks = [value for value in values if low - room <= value <= high + room]
    return View(key, label.capitalize(), unit, bar, tuple(_placed(ticks, limits)))


def _placed(ticks: Iterable[float], limits: Limits) -> Iterable[tuple[float, str]]:
    low, high = limits
    for value in ticks:
        text = f"{value:.6g}".replace("-", "\N{MINUS SIGN}")
        yield round(float(100 * (value - low) / (high - low)), 2), "0" if abs(value) < 1e-9 * (high - low) else text
