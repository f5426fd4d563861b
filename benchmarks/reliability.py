"""Reliability curves: what was predicted of errors, beside the errors; rows are those that `uncertainty.py` writes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
QUANTITIES = {"amplitude": "amplitude", "phase": "phase (rad)"}


def ensemble(row: Row) -> bool:
    """Whether several networks made the object."""
    return len(row["seeds"]) > 1


def judged(rows: Iterable[Row], part: str = "test") -> list[Row]:
    """The rows of a part of the scans; failed ones left out."""
    return [row for row in rows if row.get("part") == part]


def ratio(row: Row) -> float:
    """Root mean square error over root mean square uncertainty: above 1 the network is too sure of itself."""
    return float(row["rms_error"] / row["rms_uncertainty"])


def spread(rows: Iterable[Row]) -> tuple[float, float]:
    """Geometric mean of the ratios and the factor by which they scatter about it."""
    logarithms = np.log([ratio(row) for row in rows])
    return float(np.exp(logarithms.mean())), float(np.exp(logarithms.std()))


def draw(rows: Iterable[Row], path: Path) -> Path:
    """Write the curves of all test scans of a network's own class: networks alone above, ensembles below."""
    from ptycho_host.report.style import MUTED, SERIES, TICK, draw_curves_axes, new_figure, plain_logarithms, png

    own = [row for row in judged(rows) if row["sample"] == row["trained"]]
    arms = [(False, "One network"), (True, "Ensemble")]
    arms = [arm for arm in arms if any(ensemble(row) == arm[0] for row in own)]
    samples = sorted({row["sample"] for row in own})
    doses = sorted({row["photons"] for row in own}, reverse=True)
    figure = new_figure(7.6, 3.5 * len(arms) + 0.2)
    grid = figure.subplots(len(arms), 2, squeeze=False)
    for line, (several, name) in enumerate(arms):
        for axes, (quantity, unit) in zip(grid[line], QUANTITIES.items(), strict=True):
            shown = [row for row in own if ensemble(row) == several and row["quantity"] == quantity]
            for row in shown:
                colour = SERIES[samples.index(row["sample"])]
                style = "-" if row["photons"] == doses[0] else ":"
                label = f"{row['sample']}, {row['photons']:.0e} photons"
                axes.loglog(row["predicted"], row["found"], style, color=colour, linewidth=1.1, label=label)
            values = [value for row in shown for key in ("predicted", "found") for value in row[key] if value > 0]
            ends = (min(values), max(values))
            axes.plot(ends, ends, color=MUTED, linewidth=0.9, linestyle="--")
            draw_curves_axes(axes, f"{name}: {quantity}", f"uncertainty, {unit}", "root mean square error")
            for axis in (axes.xaxis, axes.yaxis):
                plain_logarithms(axis, *ends)
    lines, labels = grid[0][0].get_legend_handles_labels()
    named = dict(zip(labels, lines, strict=True))
    grid[0][0].legend(named.values(), named.keys(), fontsize=TICK, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(figure, dpi=110))
    return path
