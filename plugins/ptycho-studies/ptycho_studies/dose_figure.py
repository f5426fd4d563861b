"""The six panels of the dose study: what the detector counts at each dose, and what each loss makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ptycho_host import Scan
from ptycho_host.metrics.object_metrics import phase_maps
from ptycho_host.report.style import (
    AMPLITUDE_MAP,
    COUNTS_MAP,
    MUTED,
    TICK,
    blank_map,
    colour_bar,
    draw_map,
    new_figure,
    percentile_limits,
    phase_colours,
    row_label,
    scale_bar,
)
from ptycho_studies.judging import Judged
from ptycho_studies.scan_files import photon_text

Quantity = Literal["amplitude", "phase"]
TITLES = {"mae": "MAE", "poisson": "NLL"}
"""What the field calls the two losses of the published figure."""
SIDE = 2.6


@dataclass(frozen=True, slots=True, eq=False)
class DosePanel:
    """A row of the figure: the test scan at one dose, and its reconstructions by loss (None: not trained)."""

    scan: Scan
    reconstructions: Mapping[str, Judged | None]


def dose_figure(panels: Mapping[float, DosePanel], quantity: Quantity) -> Figure:
    """Rows: doses. Columns: log10(counts + 1) of one pattern, then the object's amplitude or phase by loss.

    All objects have the colour limits of the truth, and all patterns common ones.
    """
    losses = list(next(iter(panels.values())).reconstructions)
    counts = {photons: _counts(panel.scan) for photons, panel in panels.items()}
    brightest = max(float(pattern.max()) for pattern in counts.values())
    figure = new_figure(SIDE * (1 + len(losses)) + 2.0, (SIDE + 0.25) * len(panels) + 0.2)
    grid = figure.subplots(len(panels), 1 + len(losses), squeeze=False)
    for number, (photons, panel) in enumerate(panels.items()):
        line = grid[number]
        title = "" if number else "log10(diffraction + 1)"
        image = draw_map(line[0], counts[photons], COUNTS_MAP, (0.0, brightest), title)
        row_label(line[0], f"{photon_text(photons)} photons")
        colour_bar(image, line[0], "log10(counts + 1)")
        for axes, loss in zip(line[1:], losses, strict=True):
            found = panel.reconstructions[loss]
            _draw_object(axes, found, quantity, "" if number else TITLES.get(loss, loss), last=axes is line[-1])
    return figure


def _draw_object(axes: Axes, found: Judged | None, quantity: Quantity, title: str, *, last: bool) -> None:
    if found is None or found.scan.truth is None:
        blank_map(axes)
        axes.set_title(title)
        axes.text(0.5, 0.5, "not trained", transform=axes.transAxes, ha="center", color=MUTED)
        return
    inside = found.scan.region.slices
    truth, obj = found.scan.truth[inside], found.judgement.object[inside]
    if quantity == "amplitude":
        colours, limits, values, unit = AMPLITUDE_MAP, percentile_limits(np.abs(truth)), np.abs(obj), "amplitude"
    else:
        true_phase, values = phase_maps(truth, obj)
        (colours, limits), unit = phase_colours(true_phase), "phase (rad)"
        # A cyclic map has no room beyond pi.
        values = np.angle(np.exp(1j * values)) if limits[1] == np.pi else values
    image = draw_map(axes, values, colours, limits, title)
    ssim = found.score(quantity, "ssim")
    axes.set_xlabel(f"SSIM {'not defined' if ssim is None else f'{ssim:.3f}'}", fontsize=TICK, color=MUTED)
    if last:
        colour_bar(image, axes, unit)
    scale_bar(axes, values.shape, None)


def _counts(scan: Scan) -> NDArray[Any]:
    """log10(counts + 1) of the pattern nearest to the middle of the scan."""
    centre = scan.positions.mean(axis=0)
    nearest = int(np.argmin(np.linalg.norm(scan.positions - centre, axis=1)))
    return np.asarray(np.log10(np.square(scan.batch(np.array([nearest]))[0], dtype=np.float64) + 1))
