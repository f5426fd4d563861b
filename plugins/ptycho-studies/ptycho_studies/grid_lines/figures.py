"""Figures of the study: what the networks made of a test object, and how far it is from the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ptycho_host.metrics.object_metrics import ObjectMetrics, phase_maps, wrapped_difference
from ptycho_host.report.style import (
    AMPLITUDE_MAP,
    ERROR_MAP,
    PHASE_MAP,
    Limits,
    Map,
    colour_bar,
    draw_map,
    new_figure,
    percentile_limits,
    phase_colours,
    row_label,
    scale_bar,
    symmetric_limits,
)
from ptycho_studies.grid_lines.probes import Complex

SIDE = 2.3
"""Width of a map in inches."""


def compare_figure(truth: Complex, judged: Mapping[str, ObjectMetrics]) -> Figure:
    """Amplitude above, phase below; the truth (H, W) first, then each reconstruction, with common colour limits."""
    names = ["truth", *judged]
    inside = _region(judged)
    true_map = np.abs(truth[inside])
    amplitudes = [true_map, *(np.abs(metrics.alignment.object[inside]) for metrics in judged.values())]
    pairs = [phase_maps(truth[inside], metrics.alignment.object[inside]) for metrics in judged.values()]
    true_phase, phases = pairs[0][0], [phase for _, phase in pairs]
    colours, limits = _phase_colours(true_phase, phases)
    if limits[1] == np.pi:  # a cyclic map has no room beyond pi
        phases = [np.angle(np.exp(1j * phase)) for phase in phases]
    figure = new_figure((SIDE + 0.05) * len(names) + 0.9, 2 * (SIDE + 0.1) + 0.3)
    upper, lower = figure.subplots(2, len(names), squeeze=False)
    _row(upper, amplitudes, AMPLITUDE_MAP, percentile_limits(true_map), "Amplitude", "amplitude", names)
    _row(lower, [true_phase, *phases], colours, limits, "Phase", "phase (rad)")
    scale_bar(upper[0], true_map.shape, None)
    return figure


def error_figure(truth: Complex, judged: Mapping[str, ObjectMetrics]) -> Figure:
    """Signed errors of amplitude (above) and phase (below), all with the same limits; those suit the middle one."""
    inside = _region(judged)
    objects = [metrics.alignment.object[inside] for metrics in judged.values()]
    amplitude = [np.abs(obj) - np.abs(truth[inside]) for obj in objects]
    phase = [wrapped_difference(obj, truth[inside]) for obj in objects]
    figure = new_figure((SIDE + 0.05) * len(judged) + 0.9, 2 * (SIDE + 0.1) + 0.3)
    upper, lower = figure.subplots(2, len(judged), squeeze=False)
    _row(upper, amplitude, ERROR_MAP, _middling(amplitude), "Amplitude error", "amplitude", list(judged))
    _row(lower, phase, ERROR_MAP, _middling(phase), "Phase error", "phase (rad)")
    scale_bar(upper[0], amplitude[0].shape, None)
    return figure


def _region(judged: Mapping[str, ObjectMetrics]) -> tuple[slice, slice]:
    return next(iter(judged.values())).region.slices


def _phase_colours(truth: Map, phases: Sequence[Map]) -> tuple[str, Limits]:
    """The truth's; where that is flat, limits that show what the networks put there instead."""
    if float(np.ptp(truth)) > 1e-4:
        return phase_colours(truth)
    return PHASE_MAP, symmetric_limits(*phases)


def _middling(errors: Sequence[Map]) -> Limits:
    largest = float(np.median([symmetric_limits(error)[1] for error in errors]))
    return -largest, largest


def _row(
    line: Sequence[Axes], maps: Sequence[Map], colours: str, limits: Limits, label: str, unit: str,
    titles: Sequence[str] = (),
) -> None:  # fmt: skip
    for number, (axes, values) in enumerate(zip(line, maps, strict=True)):
        image = draw_map(axes, values, colours, limits, titles[number] if titles else "")
    row_label(line[0], label)
    colour_bar(image, line[-1], unit)
