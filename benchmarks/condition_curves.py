"""Curves over harder conditions: what each arm reaches at each value, and where it breaks.

Rows are those of `conditions.py`: sample, condition, value, seed and `arms` with their figures of merit.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
Curve = dict[float, list[Row]]

USUAL = "usual"
ARMS = (
    "network",
    "network + refiner",
    "network + refiner, nothing free",
    "refiner, equal time",
    "refiner, long",
    "probe learnt + refiner",
    "refined first + refiner",
)
TWICE = ("probe learnt", "refined first")
"""Arms whose network is another one than the first; without damage it would be the same."""
BROKEN = 0.8
"""SSIM below which an image is called broken: its structure is no longer that of the object."""
LOGARITHMIC = ("dose",)


def judged(rows: Iterable[Row]) -> list[Row]:
    """Those that did not fail."""
    return [row for row in rows if "arms" in row]


def curve(rows: list[Row], sample: str, condition: str, usual: float, arm: str) -> Curve:
    """Figures of an arm under the values of a condition, ascending, a list over the seeds each.

    The usual scan stands at its value; arms that differ only by what is wrong are the same there.
    """
    found: Curve = {}
    usually = "network + refiner" if "network + refiner" in arm or arm.startswith(TWICE) else arm
    for row in judged(rows):
        if row["sample"] == sample and row["condition"] in (condition, USUAL):
            at_usual = row["condition"] == USUAL
            figures = row["arms"].get(usually if at_usual else arm)
            if figures is not None:
                found.setdefault(usual if at_usual else row["value"], []).append(figures)
    return found if set(found) - {usual} else {}


def mean(figures: list[Row], name: str) -> float:
    """Of a figure over the seeds; what is not defined counts as nothing reached."""
    return float(np.mean([figure[name] or 0.0 for figure in figures]))


def limits(found: Curve, usual: float, name: str) -> str:
    """The values at which the arm is broken, in words; nothing for an arm that was not measured."""
    if not found:
        return ""
    broken = sorted(value for value, figures in found.items() if mean(figures, name) < BROKEN)
    if not broken:
        return "nowhere"
    if len(broken) == len(found):
        return "everywhere"
    words = []
    for side, chosen, towards in (
        ("up to", [value for value in broken if value < usual], max),
        ("from", [value for value in broken if value > usual], min),
    ):
        if chosen:
            words.append(f"{side} {towards(chosen):g}")
    if usual in broken:
        words.append("at the usual value")
    return ", ".join(words)


def draw(rows: list[Row], sample: str, usual: dict[str, float], labels: dict[str, str], folder: Path) -> Path:
    """Write `conditions-<sample>.png`: a condition a column, amplitude and phase SSIM a row; thin lines are seeds."""
    from ptycho_host.report.style import LABEL, MUTED, SERIES, draw_curves_axes, new_figure, png

    names = [name for name in usual if curve(rows, sample, name, usual[name], ARMS[0])]
    figure = new_figure(2.7 * len(names), 5.0)
    grid = figure.subplots(2, len(names), squeeze=False, sharey=True)
    for column, condition in enumerate(names):
        for line, part in enumerate(("amplitude", "phase")):
            axes = grid[line][column]
            for arm, colour in zip(ARMS, SERIES, strict=False):
                found = sorted(curve(rows, sample, condition, usual[condition], arm).items())
                if not found:
                    continue
                values, figures = zip(*found, strict=True)
                means = [mean(each, f"{part}_ssim") for each in figures]
                axes.plot(values, means, "o-", color=colour, linewidth=1.5, markersize=3.5, label=arm)
                for value, each in found:
                    reached = [entry[f"{part}_ssim"] or 0.0 for entry in each]
                    axes.plot([value] * len(each), reached, ".", color=colour, alpha=0.4, markersize=3)
            axes.axvline(usual[condition], color=MUTED, linewidth=0.8, linestyle=":")
            if condition in LOGARITHMIC:
                axes.set_xscale("log")
            axes.set_ylim(-0.03, 1.03)
            draw_curves_axes(axes, condition if line == 0 else "", labels[condition] if line else "", "")
            if column == 0:
                axes.set_ylabel(f"{part} SSIM", fontsize=LABEL)
    handles = {
        name: handle for axes in grid.flat for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=3, fontsize=LABEL, frameon=False)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"conditions-{sample}.png"
    path.write_bytes(png(figure, dpi=72))
    return path
