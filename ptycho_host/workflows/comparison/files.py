"""What a comparison leaves behind: JSON, CSV, figures and a page in a folder of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from matplotlib.figure import Figure

from ptycho_host.atomic import write_bytes, write_text
from ptycho_host.errors import InputError
from ptycho_host.metrics.comparison import Comparison
from ptycho_host.metrics.frc import FRCCurve
from ptycho_host.plugins import Host
from ptycho_host.report.comparison_figures import correlations_figure, maps_figure
from ptycho_host.report.comparison_maps import QUANTITIES, Quantity
from ptycho_host.report.comparison_page import render_comparison
from ptycho_host.report.comparison_table import comparison_csv
from ptycho_host.report.page import PageFigure
from ptycho_host.report.style import SERIES, png
from ptycho_host.runs.provenance import environment

PAGE, TABLE, DATA, FIGURES = "comparison.html", "comparison.csv", "comparison.json", "figures"


def check_folder(folder: Path) -> None:
    """Raise InputError when `folder` is in use: an earlier comparison is never replaced."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not an empty folder; choose another --out.")


def fresh_folder() -> Path:
    """`comparisons/<time>`, with a number where that exists."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    number, folder = 1, Path("comparisons") / stamp
    while folder.exists():
        number += 1
        folder = Path("comparisons") / f"{stamp}-{number}"
    return folder


def write_comparison(comparison: Comparison, folder: Path, host: Host) -> Comparison:
    """Write everything, the JSON file last, and return the comparison with its folder."""
    made = {key: value for key, value in environment(host, 0).items() if key != "seed"}
    for quantity in QUANTITIES:
        write_bytes(folder / FIGURES / f"{quantity}.png", png(_maps(comparison, quantity)))
    curves = _correlations(comparison)
    if curves is not None:
        write_bytes(folder / FIGURES / "fourier_ring_correlation.png", curves.png)
    write_text(folder / TABLE, comparison_csv(comparison))
    write_text(folder / PAGE, render_comparison(comparison, [curves] if curves is not None else [], made))
    content = {**comparison.as_json(), "environment": made}
    write_text(folder / DATA, json.dumps(content, indent=2, allow_nan=False) + "\n")
    return replace(comparison, path=folder)


def _maps(comparison: Comparison, quantity: Quantity) -> Figure:
    scan = comparison.scans[comparison.shown]
    objects = {name: judgement.object for name, judgement in comparison.examples().items()}
    return maps_figure(quantity, objects, scan.region, truth=scan.truth, pixel_m=scan.pixel_m)


def _correlations(comparison: Comparison) -> PageFigure | None:
    """The curves of the best rows, as many as there are colours; None without a truth."""
    shown = comparison.examples()
    best = list(shown.items())[: len(SERIES)]
    curves: dict[str, Mapping[str, FRCCurve]] = {
        quantity.capitalize(): found
        for quantity in QUANTITIES
        if (found := {name: each.curves[quantity] for name, each in best if quantity in each.curves})
    }
    if not curves:
        return None
    left_out = f" The best {len(best)} are shown." if len(best) < len(shown) else ""
    return PageFigure(
        "Resolution", png(correlations_figure(curves)), f"Fourier ring correlation with the truth.{left_out}"
    )
