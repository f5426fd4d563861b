"""Figures of curves: the course of training and Fourier ring correlations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ptycho_host.metrics.frc import FRCCurve
from ptycho_host.records import EpochReport
from ptycho_host.report.style import LABEL, MUTED, SERIES, TICK, draw_curves_axes, new_figure, plain_logarithms


def training_figure(history: Sequence[EpochReport]) -> Figure:
    """Losses, gradient norm, learning rate and clipped fraction over the epochs.

    Losses and norms have logarithmic scales where all values are positive. Epochs in which the predictions had
    collapsed are shaded.
    """
    figure = new_figure(8.6, 5.0)
    (losses, norms), (rates, fractions) = figure.subplots(2, 2, sharex=True)
    epochs = [report.epoch for report in history]
    validation = [np.nan if report.validation_loss is None else report.validation_loss for report in history]
    _course(losses, epochs, {"training": [report.training_loss for report in history], "validation": validation})
    _course(norms, epochs, {"gradient norm": [report.gradient_norm for report in history]})
    _course(rates, epochs, {"learning rate": [report.learning_rate for report in history]}, logarithmic=False)
    rates.set_ylim(bottom=0)
    _course(fractions, epochs, {"clipped": [report.clipped for report in history]}, logarithmic=False)
    collapsed = [report.epoch for report in history if report.collapsed]
    fractions.set_ylim(-0.03, 1.03)
    draw_curves_axes(losses, "Loss", "", "mean over the epoch")
    draw_curves_axes(norms, "Gradient norm before clipping", "", "L2 norm")
    draw_curves_axes(rates, "Learning rate", "epoch", "")
    draw_curves_axes(fractions, "Clipped gradients", "epoch", "fraction of units")
    for axes in (losses, norms, rates, fractions):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        for number, epoch in enumerate(collapsed):
            name = "" if number else "predictions collapsed"
            axes.axvspan(epoch - 0.5, epoch + 0.5, color=SERIES[3], alpha=0.2, linewidth=0, label=name)
    if losses.get_legend_handles_labels()[0]:
        losses.legend(fontsize=LABEL, frameon=False)
    return figure


def frc_figure(panels: Mapping[str, Mapping[str, FRCCurve]]) -> Figure:
    """Fourier ring correlations with the 0.5 and half-bit thresholds: panel title -> name of the curve -> curve.

    A dot marks where a curve first falls below 0.5.
    """
    figure = new_figure(4.5 * max(len(panels), 1), 3.5)
    grid = figure.subplots(1, max(len(panels), 1), squeeze=False, sharey=True)[0]
    for axes, (title, curves) in zip(grid, panels.items(), strict=False):
        for colour, (name, curve) in zip(_colours(len(curves)), curves.items(), strict=True):
            crossing = curve.frc50
            ends = crossing >= curve.frequency[-1]
            reached = "at least 0.5" if ends else f"{crossing:.3f}"
            label = f"{name}, FRC50 {reached}"
            axes.plot(curve.frequency, curve.correlation, color=colour, linewidth=1.6, label=label)
            if not ends:
                axes.plot([crossing], [0.5], "o", color=colour, markersize=5, markeredgecolor="white")
        axes.axhline(0.5, color=MUTED, linewidth=0.9, linestyle="--")
        axes.text(0.497, 0.51, "0.5", color=MUTED, fontsize=TICK, ha="right", va="bottom")
        # The half-bit threshold depends on the rings only, so one line serves all curves.
        for curve in list(curves.values())[:1]:
            axes.plot(curve.frequency, curve.half_bit, ":", color=MUTED, linewidth=0.9, label="half-bit threshold")
        draw_curves_axes(axes, title, "spatial frequency (cycles/px)", "Fourier ring correlation")
        axes.set_xlim(0, 0.5)
        axes.set_ylim(-0.12, 1.05)
        if curves:
            axes.legend(fontsize=TICK, loc="lower left", frameon=True, framealpha=0.9, edgecolor="none")
        axes.label_outer()
    return figure


def _course(axes: Axes, epochs: list[int], series: Mapping[str, list[float]], logarithmic: bool = True) -> None:
    """Draw series over epochs, skipping what is not a number."""
    drawn: list[float] = []
    for colour, (name, values) in zip(SERIES, series.items(), strict=False):
        known = [(epoch, value) for epoch, value in zip(epochs, values, strict=True) if np.isfinite(value)]
        if known:
            style = "o-" if len(known) < 25 else "-"
            axes.plot(*zip(*known, strict=True), style, color=colour, linewidth=1.5, markersize=3, label=name)
            drawn += [value for _, value in known]
    if logarithmic and drawn and min(drawn) > 0:
        axes.set_yscale("log")
        plain_logarithms(axes.yaxis, min(drawn), max(drawn))


def _colours(count: int) -> list[str]:
    return [SERIES[index % len(SERIES)] for index in range(count)]
