"""Figures of reconstructed objects: alone, beside the truth, several beside the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ptycho_host.metrics.object_metrics import phase_maps, wrapped_difference
from ptycho_host.metrics.region import Region
from ptycho_host.report.style import (
    AMPLITUDE_MAP,
    ERROR_MAP,
    blank_map,
    colour_bar,
    draw_map,
    new_figure,
    percentile_limits,
    phase_colours,
    row_label,
    scale_bar,
    symmetric_limits,
)

Complex = NDArray[np.complexfloating[Any, Any]]


def reconstruction_figure(
    reconstruction: Complex,
    region: Region,
    *,
    truth: Complex | None = None,
    coverage: NDArray[np.floating[Any]] | None = None,
    pixel_m: float | None = None,
) -> Figure:
    """Amplitude and phase of the object (H, W) inside the region.

    With a truth (H, W), on which the reconstruction must be aligned already: both side by side with the truth's
    colour limits, and the signed errors. Without: amplitude, phase about its mean, and the coverage (H, W) of the
    whole canvas with the region outlined, if given. `pixel_m` is the side of an object pixel in metres.
    """
    if truth is None:
        return _alone(reconstruction, region, coverage, pixel_m)
    return comparison_figure({"reconstruction": reconstruction}, truth, region, pixel_m=pixel_m)


def comparison_figure(
    reconstructions: Mapping[str, Complex], truth: Complex, region: Region, *, pixel_m: float | None = None
) -> Figure:
    """Truth and aligned reconstructions (H, W), by name, side by side: amplitude, phase, and the signed error of both.

    One reconstruction stands beside its errors; several have theirs in rows below them.
    """
    inside = region.slices
    target = truth[inside]
    objects = {name: obj[inside] for name, obj in reconstructions.items()}
    true_phase, _ = phase_maps(target, target)
    colours, phase_limits = phase_colours(true_phase)
    # A cyclic map has no room beyond pi, so there the phases must stay wrapped.
    turn = np.exp(1j * (true_phase - np.angle(target)))
    phases = {
        name: np.angle(obj * turn) if phase_limits[1] == np.pi else phase_maps(target, obj)[1]
        for name, obj in objects.items()
    }
    amplitude_error = {name: np.abs(obj) - np.abs(target) for name, obj in objects.items()}
    phase_error = {name: wrapped_difference(obj, target) for name, obj in objects.items()}
    rows = (
        ("Amplitude", np.abs(target), {name: np.abs(obj) for name, obj in objects.items()}, amplitude_error,
         AMPLITUDE_MAP, percentile_limits(np.abs(target)), "amplitude"),
        ("Phase", true_phase, phases, phase_error, colours, phase_limits, "phase (rad)"),
    )  # fmt: skip
    aspect = target.shape[0] / target.shape[1]
    single = len(objects) == 1
    count = 3 if single else 1 + len(objects)
    row_count = 2 if single else 4
    figure = new_figure(2.55 * count + (1.5 if single else 0.8), (2.5 * aspect + 0.1) * row_count + 0.3)
    grid = figure.subplots(row_count, count, squeeze=False)

    for number, (label, true_map, maps, errors, colour_map, limits, unit) in enumerate(rows):
        line = list(grid[number if single else 2 * number])
        error_line = line[2:] if single else list(grid[2 * number + 1])[1:]
        image = draw_map(line[0], true_map, colour_map, limits, "" if number else "Truth")
        row_label(line[0], label)
        for axes, (name, values) in zip(line[1:], maps.items(), strict=False):
            draw_map(axes, values, colour_map, limits, "" if number else name.capitalize() if single else name)
        colour_bar(image, line[1 if single else -1], unit)
        error_limits = symmetric_limits(*errors.values())
        for axes, error in zip(error_line, errors.values(), strict=True):
            image = draw_map(axes, error, ERROR_MAP, error_limits, "Error" if single and not number else "")
        if not single:
            blank_map(grid[2 * number + 1][0])
            row_label(grid[2 * number + 1][0], f"{label} error")
        colour_bar(image, error_line[-1], unit.replace(label.lower(), f"{label.lower()} error"))
    scale_bar(grid[0][0], target.shape, pixel_m)
    return figure


def _alone(
    reconstruction: Complex,
    region: Region,
    coverage: NDArray[np.floating[Any]] | None,
    pixel_m: float | None,
) -> Figure:
    obj = reconstruction[region.slices]
    phase, _ = phase_maps(obj, obj)
    colours, phase_limits = phase_colours(phase)
    maps = [
        ("Amplitude", np.abs(obj), AMPLITUDE_MAP, percentile_limits(np.abs(obj)), "amplitude"),
        ("Phase", phase, colours, phase_limits, "phase about its mean (rad)"),
    ]
    if coverage is not None:
        maps.append(("Coverage", coverage, "cividis", (0.0, float(coverage.max())), "coverage (relative)"))
    aspect = obj.shape[0] / obj.shape[1]
    figure = new_figure(3.3 * len(maps), 2.75 * aspect + 0.35)
    grid = figure.subplots(1, len(maps))
    for axes, (title, values, colour_map, limits, unit) in zip(grid, maps, strict=True):
        colour_bar(draw_map(axes, values, colour_map, limits, title), axes, unit)
        scale_bar(axes, values.shape, pixel_m)
    if coverage is not None:
        (top, bottom), (left, right) = region.rows, region.columns
        corners = ([left, right, right, left, left], [top, top, bottom, bottom, top])
        grid[-1].plot(*(np.array(axis) - 0.5 for axis in corners), color="white", linewidth=1.2, linestyle="--")
    return figure
