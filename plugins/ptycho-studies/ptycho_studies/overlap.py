"""The overlap study: how many positions a scan needs, at which dose, and what groups of patterns bring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ptycho_host import Host
from ptycho_host.atomic import write_bytes
from ptycho_host.contracts import Progress
from ptycho_host.report.style import png
from ptycho_studies.arms import Arm, train_arms
from ptycho_studies.judging import judged
from ptycho_studies.networks import SUPERVISED, arm_of, installed, network
from ptycho_studies.overlap_figure import overlap_figure
from ptycho_studies.overlap_scans import ScanHalves, measured_overlap
from ptycho_studies.overlap_settings import OverlapSettings
from ptycho_studies.report import write_report
from ptycho_studies.results import StudyResult, open_folder
from ptycho_studies.scan_files import photon_text
from ptycho_studies.tables import write_tables

UNSUPERVISED = "poisson"
"""The loss of all networks that can learn without the truth: the likelihood of counts."""
CAPTION = (
    "SSIM of the side that was not trained on, by network and gridsize, overlap and dose; dark is 0, bright 1, and a "
    "dash where there is none."
)
TOGETHER = 4
"""Patterns a group: what a network of gridsize 2 sees, and what the consistency term merges for the others."""


@dataclass(frozen=True, slots=True)
class Case:
    """One combination of the study."""

    photons: float
    overlap: float
    gridsize: int
    generator: str

    @property
    def name(self) -> str:
        """That of its arm."""
        return f"{photon_text(self.photons)}-overlap{self.overlap:g}-grid{self.gridsize}-{self.generator}"


def cases(settings: OverlapSettings) -> Iterator[Case]:
    """All combinations, doses changing slowest."""
    for photons in settings.doses:
        for overlap in settings.overlaps:
            for gridsize in settings.gridsizes:
                for generator in settings.generators:
                    yield Case(photons, overlap, gridsize, generator)


def overlap(
    settings: OverlapSettings,
    out: str | Path,
    *,
    workers: int = 1,
    host: Host | None = None,
    progress: Progress | None = None,
) -> StudyResult:
    """Train each network at each dose and overlap on one side of a scan, and judge it on the other.

    Patterns stay on disk: a training holds no more than `settings.cache` of them. Arms whose network is not installed
    are named in the result's notes and left out. Raises InputError before anything is written, RunFailedError when no
    training came to its end.
    """
    host, folder = host or Host.discover(), Path(out)
    arms = {case: _arm(settings, case, folder) for case in cases(settings)}
    wanted, notes = installed(arms.values(), host)
    open_folder(folder, "overlap", settings.of_the_data())
    measured = {}
    for photons in settings.doses:
        for asked in settings.overlaps:
            scan = ScanHalves.named(folder, photons, asked).made(settings, photons, asked, host)
            measured[photons, asked] = {"measured_overlap": measured_overlap(scan), "training_patterns": scan.count}
    runs, failed = train_arms(wanted, folder, workers=workers, host=host, progress=progress)
    found = judged(runs, host)
    rows: list[dict[str, Any]] = [
        {
            "dose": photon_text(case.photons),
            "overlap": case.overlap,
            **measured[case.photons, case.overlap],
            "gridsize": case.gridsize,
            "generator": case.generator,
            **found[arm.place(folder)].figures(),
        }
        for case, arm in arms.items()
        if arm.place(folder) in found
    ]
    tables = write_tables(folder, rows, {"study": "overlap", "settings": settings.model_dump(mode="json")})
    figure = folder / "figures" / "overlap.png"
    write_bytes(figure, png(overlap_figure(rows)))
    result = StudyResult(folder, tuple(rows), (), failed, tuple(notes))
    report = write_report(result, "Overlap", [_about(settings)], {str(figure.relative_to(folder)): CAPTION})
    return replace(result, files=(report, *tables, figure))


def _about(settings: OverlapSettings) -> str:
    return (
        f"One lines object of {settings.size} px under a {settings.pattern} scan, patterns of {settings.pixels} px; "
        f"trained on the first {settings.train_fraction:.0%} along y, tested on the rest, with a gap between them that "
        f"no pixel is lit across. {settings.groups:,} groups of {TOGETHER} patterns an epoch, wide ones left out, "
        f"each pattern's companions from its {settings.neighbours} nearest; {settings.epochs} epochs, "
        f"{settings.batch_size} groups a step. Loss {UNSUPERVISED}; for baseline {SUPERVISED['baseline']}. "
        f"Seeds: data {settings.data_seed}, training {settings.seed}."
    )


def _arm(settings: OverlapSettings, case: Case, folder: Path) -> Arm:
    halves = ScanHalves.named(folder, case.photons, case.overlap)
    size = max(TOGETHER, case.gridsize**2)
    table = {
        "generator": network(case.generator, narrow=settings.narrow),
        "loss": SUPERVISED.get(case.generator, UNSUPERVISED),
        "data": {
            "source": str(halves.train),
            "test": str(halves.test),
            "gridsize": case.gridsize,
            "cache": settings.cache,
        },
        "train": {
            "epochs": settings.epochs,
            "batch_size": settings.batch_size * size,
            "group_size": size,
            "grouping": "nearest",
            "neighbour_count": settings.neighbours,
            "n_groups": settings.groups,
            "enable_oversampling": True,
        },
    }
    return arm_of(case.name, table, settings.run_settings, settings.seed)
