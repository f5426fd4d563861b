"""Curves of error against time: two methods at equal time, and the figures of both.

A row is a curve: `network` (None: the refiner alone) and `points` with seconds and figures of merit, as `unseen.py`
writes them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
Key = tuple[str, int]

ERRORS = {
    "amplitude, 1 − SSIM": lambda point: 1 - point["amplitude_ssim"],
    "phase, 1 − SSIM": lambda point: 1 - point["phase_ssim"],
    "amplitude MAE": lambda point: point["amplitude_mae"],
    "phase MAE (rad)": lambda point: point["phase_mae"],
}
MISFITS = {
    "1 − correlation": lambda point: 1 - point["correlation"],
    "squared residual": lambda point: point["residual"],
}
SMALLEST = 1e-7
"""Errors below are rounding: SSIM is reckoned in double precision from an object in single precision."""
TIE = 1.02
"""An error so many times another one is no worse: repeated runs differ by as much in their seconds alone."""


def errors_of(row: Row) -> dict[str, Any]:
    """What is drawn and compared of a curve, by name: errors where there is a truth, else misfits to the patterns."""
    return ERRORS if "phase_ssim" in row["points"][0] else MISFITS


def by_scan(rows: Iterable[Row]) -> dict[Key, dict[str | None, list[Row]]]:
    """Curves of each sample and step, by network; failed ones left out."""
    found: dict[Key, dict[str | None, list[Row]]] = defaultdict(lambda: defaultdict(list))
    whole = [row for row in rows if "points" in row]
    for row in sorted(whole, key=lambda row: (row["sample"], row["step"], row["seed"])):
        found[row["sample"], row["step"]][row["network"]].append(row)
    return found


def averaged(rows: list[Row]) -> list[Row]:
    """One curve of several seeds: seconds and figures of merit averaged for each number of epochs."""
    points = []
    for together in zip(*(row["points"] for row in rows), strict=True):
        points.append({name: float(np.mean([point[name] for point in together])) for name in together[0]})
    return points


def at_time(points: list[Row], seconds: float, error: Any) -> float | None:
    """The error that a curve has reached, between its points along logarithms; None before its first one."""
    times = [point["seconds"] for point in points]
    if seconds < times[0]:
        return None
    values = np.log([max(error(point), SMALLEST) for point in points])
    return float(np.exp(np.interp(np.log(seconds), np.log(times), values)))


def equal_time(rows: Iterable[Row]) -> list[Row]:
    """For each point of each network's curve: its errors over those of the refiner alone at the same time.

    `beyond`: that time lies after the refiner's last point, whose error is taken.
    """
    found = []
    for (sample, step), curves in by_scan(rows).items():
        if None not in curves:
            continue
        alone = averaged(curves[None])
        for network in (name for name in curves if name is not None):
            errors = errors_of(curves[network][0])
            for point in averaged(curves[network]):
                ratios = {}
                for name, error in errors.items():
                    other = at_time(alone, point["seconds"], error)
                    ratios[name] = None if other is None else max(error(point), SMALLEST) / other
                found.append(
                    {
                        "sample": sample,
                        "step": step,
                        "network": network,
                        "epochs": round(point["epochs"]),
                        "seconds": point["seconds"],
                        "beyond": point["seconds"] > alone[-1]["seconds"],
                        "ratios": ratios,
                    }
                )
    return found


def worse(entry: Row, names: Iterable[str]) -> bool:
    """Whether any of these errors is above the refiner's at the same time."""
    return any((entry["ratios"].get(name) or 0) > TIE for name in names)


def draw(rows: Iterable[Row], sample: str, path: Path) -> Path:
    """Write the figure of a sample: an error a row, a step a column, a curve a method; thin ones are single seeds."""
    from matplotlib.ticker import LogFormatterSciNotation, NullFormatter

    from ptycho_host.report.style import LABEL, SERIES, draw_curves_axes, new_figure, png

    scans = {step: curves for (name, step), curves in by_scan(rows).items() if name == sample}
    names = sorted({name for curves in scans.values() for name in curves}, key=lambda name: (name is not None, name))
    errors = list(errors_of(next(iter(next(iter(scans.values())).values()))[0]).items())[:2]
    figure = new_figure(3.2 * len(scans), 5.2)
    grid = figure.subplots(len(errors), len(scans), squeeze=False, sharey="row")
    for column, (step, curves) in enumerate(sorted(scans.items())):
        for line, (title, error) in enumerate(errors):
            axes = grid[line][column]
            for name in names:
                colour = SERIES[names.index(name)]
                for points in (row["points"] for row in curves.get(name, [])):
                    axes.plot(*_curve(points, error), color=colour, linewidth=0.6, alpha=0.5)
                if name in curves:
                    label = f"{name} and refiner" if name else "refiner alone"
                    points = averaged(curves[name])
                    axes.plot(*_curve(points, error), "o-", color=colour, linewidth=1.6, markersize=3.5, label=label)
                    one_pass = [points[0]["seconds"]], [max(error(points[0]), SMALLEST)]
                    if name:
                        label = f"{name} alone"
                        axes.plot(*one_pass, "o", color="white", markersize=7, markeredgecolor=colour, label=label)
            axes.set(xscale="log", yscale="log")
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter(LogFormatterSciNotation())
                axis.set_minor_formatter(NullFormatter())
            draw_curves_axes(axes, f"step {step} px" if line == 0 else "", "seconds" if line else "", "")
            if column == 0:
                axes.set_ylabel(title, fontsize=LABEL)
    grid[0][0].legend(fontsize=LABEL - 1, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(figure, dpi=110))
    return path


def _curve(points: list[Row], error: Any) -> tuple[list[float], list[float]]:
    """Seconds and errors, without a network by itself, which looks at more patterns than one before a refiner."""
    refined = [point for point in points if point["epochs"]]
    return [point["seconds"] for point in refined], [max(error(point), SMALLEST) for point in refined]
