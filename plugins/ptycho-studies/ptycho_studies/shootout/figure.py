"""The figure of the shootout: every run a mark."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from ptycho_host.report.style import SERIES, TICK, draw_curves_axes, new_figure
from ptycho_studies.tables import Row

TITLES = {"none": "Without lift", "backprojection": "Starting from the back-projection"}


def shootout_figure(rows: Sequence[Row]) -> Figure:
    """Amplitude SSIM over depth, a panel for each lift, a colour for each network; crosses are collapsed runs."""
    lifts = list(dict.fromkeys(row["lift"] for row in rows))
    names = list(dict.fromkeys((row["network"], row["clip"]) for row in rows))
    depths = sorted({row["depth"] for row in rows})
    figure = new_figure(4.3 * len(lifts), 3.8)
    for axes, lift in zip(figure.subplots(1, len(lifts), squeeze=False, sharey=True)[0], lifts, strict=True):
        draw_curves_axes(axes, TITLES[lift], "blocks", "amplitude SSIM")
        for number, (name, clip) in enumerate(names):
            colour = SERIES[number % len(SERIES)]
            axes.plot([], [], "o", color=colour, label=f"{name}, clip {clip}")
            for row in rows:
                if (row["network"], row["clip"], row["lift"]) == (name, clip, lift):
                    if row["amplitude_ssim"] is None:
                        continue
                    # Side by side, or equal marks would hide each other.
                    place = depths.index(row["depth"]) + 0.12 * (number - (len(names) - 1) / 2)
                    mark = "x" if row["collapsed"] else "o"
                    axes.plot([place], [row["amplitude_ssim"]], mark, color=colour, markersize=6)
        axes.xaxis.set_major_locator(FixedLocator(range(len(depths))))
        axes.set_xticklabels([str(depth) for depth in depths])
        axes.set_xlim(-0.5, len(depths) - 0.5)
        axes.set_ylim(min(0.0, *axes.get_ylim()), 1.02)
        axes.label_outer()
    # Below the axes: marks may lie anywhere inside.
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=TICK, frameon=False)
    return figure
