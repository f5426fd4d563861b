"""The object of a test scan, from one prediction of all patches: as a grid of tiles, and as the run would make it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from ptycho_host import Run, Scan
from ptycho_host.config import ComponentChoice
from ptycho_host.configured import configure
from ptycho_host.contracts import Canvas, PatchBatch, PatchStitcher, Reconstruction
from ptycho_host.data.scan import ComplexArray
from ptycho_host.metrics.region import Region
from ptycho_host.report.progress import SilentProgress
from ptycho_host.workflows.refine import configure_refiner, refined
from ptycho_studies.grid_lines.scans import first_of_groups
from ptycho_studies.grid_lines.settings import LinesData

GRID = "grid"


@dataclass(frozen=True, slots=True)
class Stitched:
    """Objects (H, W) of one test scan by what made them of the patches, and the seconds that prediction took."""

    objects: Mapping[str, ComplexArray]
    seconds: float


def stitch(run: Run, scan: Scan, settings: LinesData) -> Stitched:
    """All patches of `scan` once through the network, then both stitchers, and the run's refiner if it has one.

    Objects are on the physical scale. That of the refiner is called `<stitcher>+<refiner>`, after what it started from.
    """
    scan = replace(scan, probe=run.bundle.probe_for(scan.probe))
    started = perf_counter()
    batches = list(run.engine().predict(run.bundle, scan))
    seconds = perf_counter() - started
    whole = PatchBatch(np.concatenate([batch.patches for batch in batches]), scan.positions)
    tiles, own = _stitched(run, scan, GRID, _first_patches(whole, settings)), run.config.stitch
    results = {GRID: tiles, own.name: tiles if own.name == GRID else _stitched(run, scan, own, whole)}
    if (choice := run.config.refiner) is not None:
        polished = refined(scan, configure_refiner(run.host, choice), results[own.name], SilentProgress())
        results[f"{own.name}+{choice.name}"] = polished.reconstruction
    return Stitched({name: result.object for name, result in results.items()}, seconds)


def grid_region(settings: LinesData) -> Region:
    """The rectangle that the tiles fill, `offset` / 2 pixels trimmed on each side; all stitchers are judged in it.

    The border that is cut off a patch is ceil((N - step) / 2) before and floor((N - step) / 2) behind.
    """
    step = settings.test_outer_offset // 2
    first = -((step - settings.pixels) // 2)
    trim = settings.offset // 2
    side = (first + trim, first + settings.stitched(settings.test_outer_offset) - trim)
    return Region(side, side)


def _first_patches(patches: PatchBatch, settings: LinesData) -> PatchBatch:
    """Of each group the first one: tiles lie on the raster of the groups."""
    corners = {tuple(place) for place in first_of_groups(settings, settings.test_outer_offset).tolist()}
    chosen = np.array([tuple(place) in corners for place in patches.positions.tolist()])
    return PatchBatch(patches.patches[chosen], patches.positions[chosen])


def _stitched(run: Run, scan: Scan, choice: ComponentChoice | str, patches: PatchBatch) -> Reconstruction:
    choice = ComponentChoice(name=choice) if isinstance(choice, str) else choice
    stitcher: PatchStitcher = configure(run.host, "stitcher", choice.name, choice.options).build()
    stitcher.begin(Canvas(scan.canvas_shape(), patches.positions), scan.probe)
    stitcher.add(patches)
    while stitcher.another_pass():
        stitcher.add(patches)
    result = stitcher.finish()
    return replace(result, object=run.bundle.scale.physical_object(result.object))
