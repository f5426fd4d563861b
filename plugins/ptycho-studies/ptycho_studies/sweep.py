"""The sweep: one training for each combination of options, in a table and in a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ptycho_host import Host, Run
from ptycho_host.atomic import write_bytes
from ptycho_host.contracts import Progress
from ptycho_host.errors import InputError
from ptycho_host.report.style import png
from ptycho_studies.arms import Arm, train_arms
from ptycho_studies.judging import figures_of
from ptycho_studies.parallel_coordinates import Column, parallel_coordinates
from ptycho_studies.report import write_report
from ptycho_studies.results import StudyResult, open_folder
from ptycho_studies.sweep_file import SweepFile, point_text
from ptycho_studies.sweep_settings import SweepSettings
from ptycho_studies.sweep_space import Point, grid, sample
from ptycho_studies.tables import Row, write_tables

SCORES = ("phase_ssim", "amplitude_ssim")
"""What the lines of the figure are coloured by: the first that any training has."""
FEWEST_LINES = 2
FIGURE = "figures/parallel-coordinates.png"
CAPTION = (
    "One line a training, through its options and its results; the brighter, the better. Lines through the same value "
    "of an option lie side by side, the best on top; grey and dashed: failed or collapsed."
)


def sweep(
    settings: SweepSettings,
    out: str | Path,
    *,
    workers: int = 1,
    host: Host | None = None,
    progress: Progress | None = None,
) -> StudyResult:
    """Train at all points of the space in `settings.config`, or at some of them drawn at random.

    Every configuration is checked first: raises InputError, before anything is written, for an option that some
    component does not have. Started again, also with further values in the file, it trains only what is missing.
    """
    host, folder = host or Host.discover(), Path(out)
    file = SweepFile.load(settings.config)
    points = grid(file.space) if settings.random is None else sample(file.space, settings.random, settings.seed)
    arms = [file.arm(point) for point in points]
    for point, arm in zip(points, arms, strict=True):
        _check(file, point, arm, host)
    open_folder(folder, "sweep", {})
    finished, failed = train_arms(arms, folder, workers=workers, host=host, progress=progress)
    runs = {run.path: run for run in finished}
    rows = [_row(point, runs.get(arm.place(folder))) for point, arm in zip(points, arms, strict=True)]
    facts = {"study": "sweep", "settings": settings.model_dump(mode="json"), "base": dict(file.base)}
    files = write_tables(folder, rows, facts)
    captions: dict[str, str] = {}
    if len(runs) >= FEWEST_LINES:
        write_bytes(folder / FIGURE, png(_figure(points, rows)))
        captions[FIGURE] = CAPTION
    chosen = "all combinations" if settings.random is None else f"{settings.random} combinations, seed {settings.seed},"
    about = [f"{chosen.capitalize()} of {', '.join(file.space)}, as `{settings.config}` says."]
    result = StudyResult(folder, tuple(rows), (), failed)
    report = write_report(result, "Sweep", about, captions)
    return replace(result, files=(report, *files, *(folder / name for name in captions)))


def _check(file: SweepFile, point: Point, arm: Arm, host: Host) -> None:
    try:
        arm.planned(host)
    except InputError as error:
        raise type(error)(f"{file.name}, [sweep] at {point_text(point)}: {error}") from error


def _row(point: Point, run: Run | None) -> Row:
    """The point and what came of it; a training that failed has no figures."""
    if run is None:
        return dict(point)
    metrics = run.metrics
    training = metrics["training"] | {"parameters": run.bundle.facts.get("parameters")}
    return {**point, **figures_of(metrics | {"training": training})}


def _figure(points: Sequence[Point], rows: Sequence[Row]) -> Any:
    score = next((name for name in SCORES if any(row.get(name) is not None for row in rows)), SCORES[-1])
    varied = [name for name in points[0] if len({repr(point[name]) for point in points}) > 1]
    columns = [Column(_label(name), [point[name] for point in points], is_option=True) for name in varied]
    results: Mapping[str, str] = {"parameters": "parameters\n(millions)", "amplitude_ssim": "amplitude\nSSIM"}
    for name, label in {**results, "phase_ssim": "phase\nSSIM"}.items():
        values = [row.get(name) for row in rows]
        if any(value is not None for value in values):
            scale = 1e6 if name == "parameters" else 1
            columns.append(Column(label, [None if value is None else value / scale for value in values]))
    scores = [None if row.get("collapsed") else row.get(score) for row in rows]
    return parallel_coordinates(columns, scores, score.replace("_", " ").replace("ssim", "SSIM"))


def _label(name: str) -> str:
    section, _, option = name.rpartition(".")
    return f"{section}\n{option}" if section else option
