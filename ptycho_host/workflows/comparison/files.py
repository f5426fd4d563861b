"""What a comparison leaves behind: JSON, CSV, figures and a page in a folder of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ptycho_host.atomic import write_bytes, write_text
from ptycho_host.errors import InputError
from ptycho_host.metrics.comparison import Comparison
from ptycho_host.metrics.frc import FRCCurve
from ptycho_host.plugins import Host
from ptycho_host.report.comparison_figures import correlations_figure, maps_figure
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
    figures = _figures(comparison)
    for name, figure in figures.items():
        write_bytes(folder / FIGURES / f"{name}.png", figure.png)
    write_text(folder / TABLE, comparison_csv(comparison))
    write_text(folder / PAGE, render_comparison(comparison, list(figures.values()), made))
    content = {**comparison.as_json(), "environment": made}
    write_text(folder / DATA, json.dumps(content, indent=2, allow_nan=False) + "\n")
    return replace(comparison, path=folder)


def _figures(comparison: Comparison) -> dict[str, PageFigure]:
    scan = comparison.scans[comparison.shown]
    shown = comparison.examples()
    objects = {name: judgement.object for name, judgement in shown.items()}
    said = "One colour scale for all."
    if scan.truth is not None:
        said = (
            "One colour scale for all, that of the truth; below each map what is wrong with it, on one scale too, "
            "which suits the object in the middle."
        )
    which = f" Scan {scan.name} ({scan.origin})." if len(comparison.scans) > 1 else ""
    figures = {
        quantity: PageFigure(
            quantity.capitalize(),
            png(maps_figure(quantity, objects, scan.region, truth=scan.truth, pixel_m=scan.pixel_m)),
            f"{said}{which}",
        )
        for quantity in ("amplitude", "phase")
    }
    best = list(shown.items())[: len(SERIES)]
    curves: dict[str, Mapping[str, FRCCurve]] = {
        quantity.capitalize(): found
        for quantity in ("amplitude", "phase")
        if (found := {name: each.curves[quantity] for name, each in best if quantity in each.curves})
    }
    if curves:
        left_out = f" The best {len(best)} are shown." if len(best) < len(shown) else ""
        figures["fourier_ring_correlation"] = PageFigure(
            "Resolution", png(correlations_figure(curves)), f"Fourier ring correlation with the truth.{left_out}{which}"
        )
    return figures
