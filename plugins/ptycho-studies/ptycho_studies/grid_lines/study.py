"""The grid-lines study from its settings to its figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ptycho_host import Host, Scan, load_scan
from ptycho_host.atomic import write_bytes, write_text
from ptycho_host.contracts import Progress
from ptycho_host.metrics.frc import FRCCurve
from ptycho_host.metrics.object_metrics import ObjectMetrics
from ptycho_host.report.figures import frc_figure, png
from ptycho_host.report.progress import SilentProgress
from ptycho_studies.arms import Arm, train_arms
from ptycho_studies.grid_lines.figures import compare_figure, error_figure
from ptycho_studies.grid_lines.probes import SHIPPED
from ptycho_studies.grid_lines.scans import DataFiles, data_files, files_in
from ptycho_studies.grid_lines.scores import SCORES, Judged, judge_all
from ptycho_studies.grid_lines.settings import GridLines
from ptycho_studies.grid_lines.stitching import GRID
from ptycho_studies.networks import SUPERVISED, arm_of, installed, network
from ptycho_studies.report import write_report
from ptycho_studies.results import StudyResult, open_folder
from ptycho_studies.tables import Row, averaged, csv_text

CAPTIONS = {
    "compare_amp_phase.png": "Amplitude (above) and phase (below) of the first test object: the truth, then each "
    "network, tiled by the grid stitcher, with common colour limits.",
    "errors.png": "What is wrong with them: reconstruction minus truth. The limits suit the middle network, so a "
    "worse one saturates.",
    "frc.png": "Fourier ring correlation of each with the truth.",
}


def grid_lines(
    settings: GridLines,
    out: str | Path,
    *,
    workers: int = 1,
    host: Host | None = None,
    progress: Progress | None = None,
) -> StudyResult:
    """Train each arm on the same lines scans, reconstruct unseen objects, judge them, and write tables and figures.

    The folder `out` gets `datasets/`, `arms/` (one run directory a training), `reconstructions/`, `metrics.json`,
    `table.csv`, figures and `report.md`. Started again with the same settings it trains only what is missing. Arms
    whose generator is not installed are named in the result's notes and left out.
    """
    host, progress, folder = host or Host.discover(), progress or SilentProgress(), Path(out)
    # Before any work: an option that does not hold shall be told now.
    arms, notes = installed(_arms(settings, files_in(settings, folder)), host)
    open_folder(folder, "grid-lines", settings.of_the_data())
    data = data_files(settings, folder, host)
    runs, failed = train_arms(arms, folder, workers=workers, host=host, progress=progress)
    scans = [load_scan(path, host=host) for path in data.tests]
    judged = judge_all(runs, scans, settings, folder, progress)
    notes += _remarks(settings)
    result = StudyResult(folder, tuple(_summary(judged)), (), failed, tuple(notes))
    return _write(result, judged, scans[0], settings, data)


def _arms(settings: GridLines, data: DataFiles) -> list[Arm]:
    arms = []
    for text in settings.arms:
        generator, _, loss = text.partition("@")
        table = {
            "data": {"source": str(data.train), "test": str(data.tests[0]), "gridsize": settings.gridsize},
            "generator": network(generator, narrow=settings.narrow),
            "loss": loss or SUPERVISED.get(generator, settings.loss),
            "train": {"epochs": settings.epochs, "batch_size": settings.batch_size},
        }
        arms += [arm_of(text.replace("@", "-"), table, settings.run_settings, seed) for seed in settings.seeds]
    return arms


def _summary(judged: Sequence[Judged]) -> list[Row]:
    values = (*(f"{quantity}_{name}" for quantity in ("amplitude", "phase") for name in SCORES), "train_seconds")
    return averaged([found.row for found in judged], ("arm", "stitcher"), values)


def _remarks(settings: GridLines) -> list[str]:
    remarks = []
    if settings.probe in SHIPPED:
        remarks.append(f"Probe: {settings.probe}. The published one may not be passed on; name a file with --probe.")
    if not settings.phase:
        remarks.append("The objects have no phase, so scores of the phase but its error are not defined.")
    if settings.train_images > 1:
        remarks.append(
            f"The {settings.train_images} training objects lie side by side on one canvas, {settings.pixels} pixels "
            "apart: no pattern sees two of them."
        )
    return remarks


def _write(
    result: StudyResult, judged: Sequence[Judged], scan: Scan, settings: GridLines, data: DataFiles
) -> StudyResult:
    folder = result.folder
    facts = {"settings": settings.model_dump(mode="json"), "data": dict(data.facts), "notes": list(result.notes)}
    table = folder / "table.csv"
    write_text(table, csv_text([found.row for found in judged]))
    metrics = folder / "metrics.json"
    blocks = [{**found.row, **found.metrics.as_json()} for found in judged]
    content = {**facts, "failures": dict(result.failures), "summary": list(result.rows), "objects": blocks}
    write_text(metrics, json.dumps(content, indent=2, allow_nan=False) + "\n")
    seed = judged[0].row["seed"]
    shown = {found.row["arm"]: found.metrics for found in judged if found.key[1:] == (seed, 0, GRID)}
    assert scan.truth is not None
    figures = {
        "compare_amp_phase.png": compare_figure(scan.truth, shown),
        "errors.png": error_figure(scan.truth, shown),
        "frc.png": frc_figure(_curves(shown)),
    }
    for name, figure in figures.items():
        write_bytes(folder / name, png(figure))
    about = (
        f"{settings.train_images} + {settings.test_images} objects of {settings.size} px, "
        f"{data.facts['train_patterns_an_image']:,} patterns of {settings.pixels} px an object to train on and "
        f"{data.facts['test_patterns_an_image']:,} to test on, gridsize {settings.gridsize}, "
        f"{settings.photons:.0e} photons, {settings.epochs} epochs, seeds {', '.join(map(str, settings.seeds))}. "
        "Means over test objects and seeds; sd is the spread over seeds."
    )
    report = write_report(result, "Grid lines", [about], CAPTIONS)
    return replace(result, files=(report, table, metrics, *(folder / name for name in figures)))


def _curves(judged: Mapping[str, ObjectMetrics]) -> dict[str, dict[str, FRCCurve]]:
    """By quantity and arm, where it is defined."""
    curves = {
        quantity: {name: curve for name, metrics in judged.items() if (curve := getattr(metrics, quantity).frc)}
        for quantity in ("amplitude", "phase")
    }
    return {quantity.capitalize(): found for quantity, found in curves.items() if found}
