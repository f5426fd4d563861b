"""The dose study: how few photons a pattern may have, and which loss makes the most of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ptycho_host import Host, Scan
from ptycho_host.atomic import write_bytes
from ptycho_host.contracts import Progress
from ptycho_host.errors import InputError
from ptycho_host.report.style import png
from ptycho_studies.arms import Arm, train_arms
from ptycho_studies.dose_figure import DosePanel, dose_figure
from ptycho_studies.dose_scans import LinesScan
from ptycho_studies.dose_settings import DoseSettings
from ptycho_studies.judging import Judged, judged
from ptycho_studies.networks import LIBRARIES, arm_of, installed, network
from ptycho_studies.report import write_report
from ptycho_studies.results import StudyResult, open_folder
from ptycho_studies.scan_files import kept_scan, photon_text
from ptycho_studies.tables import write_tables

CAPTION = (
    "Rows: dose. Left, a pattern of the test scan; then the test object as each loss reconstructs it, with the colour "
    "limits of the true object."
)
GENERATORS = {"torch": "stable_hybrid", "tf": "pinn"}
"""What is trained on each back-end unless another name is given."""


def dose(
    settings: DoseSettings,
    out: str | Path,
    *,
    workers: int = 1,
    host: Host | None = None,
    progress: Progress | None = None,
) -> StudyResult:
    """Train with each loss at each dose, reconstruct a scan of another object, and show what came out.

    Scans of one dose differ from those of another in their photons alone. Raises InputError before anything is written,
    RunFailedError when no training came to its end.
    """
    host, folder = host or Host.discover(), Path(out)
    _check(settings)
    arms, notes = installed(_arms(settings, folder), host)
    open_folder(folder, "dose", settings.of_the_data())
    tests = {photons: _scans(settings, photons, folder, host) for photons in settings.doses}
    runs, failed = train_arms(arms, folder, workers=workers, host=host, progress=progress)
    found = judged(runs, host)
    scores = {
        (photons, loss): found.get(_arm(settings, photons, loss, folder).place(folder))
        for photons in settings.doses
        for loss in settings.losses
    }
    rows = [
        {"dose": photon_text(photons), "loss": loss, **arm.figures()}
        for (photons, loss), arm in scores.items()
        if arm is not None
    ]
    tables = write_tables(folder, rows, {"study": "dose", "settings": settings.model_dump(mode="json")})
    figures = _figures(settings, folder, tests, scores)
    result = StudyResult(folder, tuple(rows), (), failed, tuple(notes))
    captions = {str(path.relative_to(folder)): CAPTION for path in figures}
    report = write_report(result, "Dose", [_about(settings)], captions)
    return replace(result, files=(report, *tables, *figures))


def _about(settings: DoseSettings) -> str:
    return (
        f"{settings.groups:,} groups of {settings.patterns_a_group} patterns an epoch, drawn from a scan of about "
        f"{settings.positions} positions on a {'raster' if settings.grid_mode else 'random arrangement'}; "
        f"{settings.epochs} epochs, {settings.batch_size} groups a step, each pattern's companions from its "
        f"{settings.neighbours} nearest. Tested on {settings.test_groups} patterns of another object "
        f"({settings.size} px, amplitude {settings.darkest:g} to {settings.brightest:g}); patterns of "
        f"{settings.pixels} px. Seeds: scans {settings.train_seed} and {settings.test_seed}, training {settings.seed}."
    )


def _check(settings: DoseSettings) -> None:
    if settings.train_seed == settings.test_seed:
        raise InputError(
            "train_seed and test_seed are equal: the test scan would repeat the training scan; change one."
        )
    if not settings.darkest < settings.brightest:
        raise InputError("darkest must be less than brightest: they bound the object's amplitude.")
    if settings.size < settings.pixels + 8:
        raise InputError(
            f"an object of {settings.size} px leaves no room to scan patterns of {settings.pixels} px; raise size."
        )


def _arms(settings: DoseSettings, folder: Path) -> list[Arm]:
    return [_arm(settings, photons, loss, folder) for photons in settings.doses for loss in settings.losses]


def _arm(settings: DoseSettings, photons: float, loss: str, folder: Path) -> Arm:
    size = settings.patterns_a_group
    table = {
        "backend": LIBRARIES[settings.backend],
        "generator": network(settings.generator or GENERATORS[settings.backend], narrow=settings.narrow),
        "loss": loss,
        "data": {
            "source": str(_file(folder, "train", photons)),
            "test": str(_file(folder, "test", photons)),
            "gridsize": settings.gridsize,
        },
        "train": {
            "epochs": settings.epochs,
            "batch_size": settings.batch_size * size,
            "group_size": size,
            "grouping": "nearest",
            "neighbour_count": settings.neighbours,
            "n_groups": settings.groups,
            "enable_oversampling": size > 1,
        },
    }
    return arm_of(f"{photon_text(photons)}-{loss}", table, settings.run_settings, settings.seed)


def _file(folder: Path, part: str, photons: float) -> Path:
    return folder / "data" / f"{part}-{photon_text(photons)}.h5"


def _scans(settings: DoseSettings, photons: float, folder: Path, host: Host) -> Scan:
    """Both scans of a dose on disk; returns the test scan."""

    def kept(part: str, patterns: int, seed: int) -> Scan:
        shape = LinesScan(
            size=settings.size,
            pixels=settings.pixels,
            patterns=patterns,
            darkest=settings.darkest,
            brightest=settings.brightest,
            phase=settings.phase,
            raster=settings.grid_mode,
        )
        return kept_scan(_file(folder, part, photons), lambda: shape.made(photons, seed, host), host)

    kept("train", settings.positions, settings.train_seed)
    return kept("test", settings.test_groups, settings.test_seed)


def _figures(
    settings: DoseSettings,
    folder: Path,
    tests: Mapping[float, Scan],
    scores: Mapping[tuple[float, str], Judged | None],
) -> tuple[Path, ...]:
    written = []
    for quantity in ("amplitude", "phase") if settings.phase else ("amplitude",):
        panels = {
            photons: DosePanel(scan, {loss: scores[photons, loss] for loss in settings.losses})
            for photons, scan in tests.items()
        }
        path = folder / "figures" / f"dose-{quantity}.png"
        write_bytes(path, png(dose_figure(panels, quantity)))
        written.append(path)
    return tuple(written)
