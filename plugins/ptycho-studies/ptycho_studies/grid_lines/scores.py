"""What the networks made of the test objects, judged against the truth where the tiles lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ptycho_host import Run, Scan
from ptycho_host.atomic import replacing
from ptycho_host.contracts import Progress
from ptycho_host.metrics.object_metrics import ObjectMetrics, object_metrics
from ptycho_studies.grid_lines.settings import LinesData
from ptycho_studies.grid_lines.stitching import grid_region, stitch
from ptycho_studies.tables import Row

SCORES = ("ssim", "mae", "psnr", "frc50")


@dataclass(frozen=True, slots=True)
class Judged:
    """One object of one run, and what was found."""

    row: Row
    metrics: ObjectMetrics

    @property
    def key(self) -> tuple[Any, ...]:
        """Arm, seed, test image and stitcher."""
        return tuple(self.row[name] for name in ("arm", "seed", "image", "stitcher"))


def judge_all(
    runs: Sequence[Run], scans: Sequence[Scan], settings: LinesData, folder: Path, progress: Progress
) -> list[Judged]:
    """Every run on every test scan, with every stitcher; the objects are written to `folder/reconstructions`."""
    progress.start("judging", len(runs), "runs")
    judged: list[Judged] = []
    for run in runs:
        judged += _judge(run, scans, settings, folder / "reconstructions")
        progress.advance(1)
    progress.finish()
    return judged


def _judge(run: Run, scans: Sequence[Scan], settings: LinesData, folder: Path) -> Iterator[Judged]:
    arm, seed = run.path.parent.name, run.config.seed
    training = run.metrics["training"]
    for image, scan in enumerate(scans):
        assert scan.truth is not None
        stitched = stitch(run, scan, settings)
        for stitcher, obj in stitched.objects.items():
            metrics = object_metrics(obj, scan.truth, grid_region(settings))
            with replacing(folder / f"{arm}-seed{seed}-test{image}-{stitcher}.npz") as path:
                np.savez_compressed(path, object=obj)
            row: dict[str, Any] = {
                "arm": arm,
                "backend": run.config.backend,
                "seed": seed,
                "image": image,
                "stitcher": stitcher,
            }
            for quantity, scores in (("amplitude", metrics.amplitude), ("phase", metrics.phase)):
                row |= {f"{quantity}_{name}": getattr(scores, name) for name in SCORES}
            row |= {
                "parameters": run.bundle.facts.get("parameters"),
                "train_seconds": training["seconds"],
                "predicted_per_second": scan.count / stitched.seconds,
                "collapsed": training["collapsed"],
            }
            yield Judged(row, metrics)
