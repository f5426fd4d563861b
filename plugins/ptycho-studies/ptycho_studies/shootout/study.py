"""The shootout from its settings to its table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

from ptycho_host import Host, Run, load_scan
from ptycho_host.atomic import write_bytes, write_text
from ptycho_host.contracts import Progress
from ptycho_host.report.figures import png
from ptycho_host.report.progress import SilentProgress
from ptycho_studies.arms import Arm, train_arms
from ptycho_studies.grid_lines.scans import DataFiles, data_files, files_in
from ptycho_studies.grid_lines.scores import judge_all
from ptycho_studies.grid_lines.stitching import GRID
from ptycho_studies.networks import arm_of, installed, network
from ptycho_studies.report import write_report
from ptycho_studies.results import StudyResult, open_folder
from ptycho_studies.shootout.figure import shootout_figure
from ptycho_studies.shootout.settings import Lift, Network, Shootout
from ptycho_studies.tables import Row, averaged, csv_text

NETWORKS: dict[Network, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "hybrid-norm": ("hybrid", {}, {"name": "norm", "max_norm": 1.0}),
    "hybrid-agc": ("hybrid", {}, {"name": "agc", "clipping": 0.01}),
    "stable-zero_gamma": ("stable_hybrid", {"stabiliser": "zero_gamma"}, {"name": "none"}),
    "stable-layer_scale": ("stable_hybrid", {"stabiliser": "layer_scale"}, {"name": "none"}),
}
"""Generator, its options, and clipper, as the published table has them."""
CAPTION = (
    "Amplitude SSIM of each run by depth, without and with the back-projection as start; crosses are runs whose "
    "predictions had collapsed at the end."
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of the study."""

    network: Network
    lift: Lift
    depth: int
    seed: int

    @property
    def name(self) -> str:
        """Of its arm; the seed stands beside it."""
        return f"{self.network}-{self.lift}-{self.depth}"


def shootout(
    settings: Shootout,
    out: str | Path,
    *,
    workers: int = 1,
    host: Host | None = None,
    progress: Progress | None = None,
) -> StudyResult:
    """Train all combinations of network, lift, depth and seed on the same scans; count collapses, judge the rest.

    The folder `out` gets the same as that of the grid-lines study. Started again with the same settings it trains
    only what is missing.
    """
    host, progress, folder = host or Host.discover(), progress or SilentProgress(), Path(out)
    cells = arms_of(settings, files_in(settings, folder))
    arms, notes = installed(cells.values(), host)
    open_folder(folder, "shootout", settings.of_the_data())
    data = data_files(settings, folder, host)
    runs, failed = train_arms(arms, folder, workers=workers, host=host, progress=progress)
    scans = [load_scan(path, host=host) for path in data.tests]
    tiled = [found.row for found in judge_all(runs, scans, settings, folder, progress) if found.row["stitcher"] == GRID]
    by_run = {(cell.name, cell.seed): cell for cell in cells}
    rows = [
        _row(by_run[run.path.parent.name, run.config.seed], run, [row for row in tiled if _is_of(row, run)])
        for run in runs
    ]
    notes.append(
        "Validation: mean absolute error of amplitudes on held-out patterns, in units of their root mean square, the "
        "best epoch. The published figures have another unit."
    )
    result = StudyResult(folder, tuple(summary(rows)), (), failed, tuple(notes))
    return _write(result, rows, settings)


def arms_of(settings: Shootout, files: DataFiles) -> dict[Cell, Arm]:
    """The training of each combination."""
    combinations = product(settings.networks, settings.lifts, settings.depths, settings.seeds)
    return {(cell := Cell(*found)): _arm(cell, settings, files) for found in combinations}


def summary(rows: Sequence[Row]) -> list[Row]:
    """A row for each network, lift and depth: how many runs collapsed, then means and spreads over seeds."""
    by, values = ("network", "clip", "lift", "depth"), ("best_validation", "amplitude_ssim", "amplitude_mae")
    table: list[Row] = []
    for line in averaged(rows, by, values):
        members = [row for row in rows if all(row[name] == line[name] for name in by)]
        count = sum(row["collapsed"] for row in members)
        head = {name: line[name] for name in by}
        table.append({**head, "collapsed": f"{count} of {len(members)}", **{k: line[k] for k in line if k not in by}})
    return table


def _arm(cell: Cell, settings: Shootout, files: DataFiles) -> Arm:
    generator, options, clip = NETWORKS[cell.network]
    table = {
        "data": {"source": str(files.train), "test": str(files.tests[0]), "gridsize": settings.gridsize},
        "generator": {
            **network(generator, narrow=settings.narrow), **options, "lift": cell.lift, "blocks": cell.depth,
        },
        "loss": settings.loss,
        "clip": clip,
        "train": {"epochs": settings.epochs, "batch_size": settings.batch_size},
    }  # fmt: skip
    return arm_of(cell.name, table, settings.run_settings, cell.seed)


def _is_of(row: Row, run: Run) -> bool:
    return bool((row["arm"], row["seed"]) == (run.path.parent.name, run.config.seed))


def _row(cell: Cell, run: Run, tiled: Sequence[Row]) -> Row:
    """One run: what it was, how it went, and the means over the test objects."""
    generator, _, clip = NETWORKS[cell.network]
    validation = [report.validation_loss for report in run.history if report.validation_loss is not None]
    means = {name: fmean(known) if (known := [row[name] for row in tiled if row[name] is not None]) else None
             for name in ("amplitude_ssim", "amplitude_mae", "phase_ssim", "phase_mae")}  # fmt: skip
    return {
        "network": cell.network.replace("stable", generator).removesuffix(f"-{clip['name']}"),
        "clip": " ".join(str(value) for value in clip.values()),
        "lift": cell.lift,
        "depth": cell.depth,
        "seed": cell.seed,
        "best_validation": min(validation, default=None),
        **means,
        "collapsed": bool(run.metrics["training"]["collapsed"]),
        "collapsed_epochs": sum(report.collapsed for report in run.history),
        "parameters": run.bundle.facts.get("parameters"),
        "train_seconds": run.metrics["training"]["seconds"],
    }


def _write(result: StudyResult, rows: Sequence[Row], settings: Shootout) -> StudyResult:
    folder = result.folder
    table, metrics, figure = folder / "table.csv", folder / "metrics.json", folder / "shootout.png"
    write_text(table, csv_text(rows))
    content = {
        "settings": settings.model_dump(mode="json"),
        "notes": list(result.notes),
        "failures": dict(result.failures),
        "summary": list(result.rows),
        "runs": list(rows),
    }
    write_text(metrics, json.dumps(content, indent=2, allow_nan=False) + "\n")
    write_bytes(figure, png(shootout_figure(rows)))
    about = (
        f"{settings.train_images} + {settings.test_images} objects of {settings.size} px, patterns of "
        f"{settings.pixels} px, gridsize {settings.gridsize}, {settings.photons:.0e} photons, loss {settings.loss}, "
        f"{settings.epochs} epochs, seeds {', '.join(map(str, settings.seeds))}. Means over test objects and seeds; "
        "sd is the spread over seeds."
    )
    report = write_report(result, "Shootout", [about], {figure.name: CAPTION})
    return replace(result, files=(report, table, metrics, figure))
