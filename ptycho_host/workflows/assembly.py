"""From a trained generator and a scan to the object: predict all patches, stitch them, polish if asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from ptycho_host.configured import common_error_of, scope_of
from ptycho_host.contracts import (
    Bundle,
    Canvas,
    DeviceBatch,
    PatchBatch,
    PatchStitcher,
    Progress,
    Reconstruction,
    RefineFunction,
    SharedEngine,
    SharedStitcher,
    TrainingEngine,
)
from ptycho_host.data.covering import covering
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError
from ptycho_host.metrics.uncertainty import stitched_uncertainty
from ptycho_host.physics.illumination import probe_diameter
from ptycho_host.processes import Processes, processes_of
from ptycho_host.training.sampling import fits
from ptycho_host.workflows.probe_width import as_in_training, canvas_shape, on_pixels_of
from ptycho_host.workflows.refinement_start import refined_from

FIRST_LOOK = {"pattern": 0.75, "scan": 0.5}
"""Distance, in probe diameters, of the patterns that a generator of each scope is shown when a refiner follows."""
PATCH_MEMORY = 2**28
"""Bytes of predicted patches that are kept for a stitcher's second pass; beyond it they are predicted again."""
PATCH_MEMORY_ON_DEVICE = 2**31
"""The same for patches that stay where the engine made them."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """A reconstruction on the physical scale and the seconds that its steps took."""

    reconstruction: Reconstruction
    predict_seconds: float
    stitch_seconds: float
    refine_seconds: float

    @property
    def seconds(self) -> float:
        """All steps together."""
        return self.predict_seconds + self.stitch_seconds + self.refine_seconds


def assemble(
    engine: TrainingEngine,
    bundle: Bundle,
    scan: Scan,
    stitcher: PatchStitcher,
    progress: Progress,
    refine: RefineFunction | None = None,
    *,
    processes: Processes | None = None,
) -> Assembly:
    """The object of `scan`; raises InputError when the bundle's generator is one for patterns of another size.

    Processes that share the engine's work (`processes` where given, as `Processes()` for this one alone) predict and
    stitch a stretch of the scan each, and all get the object; where the stitcher cannot be shared, each of them does
    the whole. Only the first one refines. Where the scan is dense and a refiner follows, which looks at all patterns,
    the generator is shown no more of them than cover the object.
    """
    processes = processes or processes_of(engine)
    with processes.together():
        if not fits(bundle, scan):
            raise InputError(
                f"scan '{scan.name}' has patterns of {scan.pixels} x {scan.pixels} pixels, the run was trained for "
                f"{bundle.shape.pixels} x {bundle.shape.pixels}; crop or pad the patterns, or train anew."
            )
        given, scan = scan.probe, replace(scan, probe=bundle.probe_for(scan.probe))
        # Sorted by y, a patch's neighbours come soon after it: stitchers that compare them need not hold the others.
        ordered = scan.subset(np.lexsort((scan.positions[:, 1], scan.positions[:, 0])))
        ordered = ordered if refine is None else _first_look(ordered, bundle)
        seen = as_in_training(bundle, ordered)
        stitcher.begin(Canvas(canvas_shape(scan, seen), seen.positions), seen.probe)
    patches = _PatchSupply(engine, bundle, seen, progress, _share(stitcher, processes, seen.count))
    started = perf_counter()
    while True:
        for batch in patches:
            stitcher.add(batch)
        if not stitcher.another_pass():
            break
    result = on_pixels_of(scan, seen, _physical(stitcher.finish(), bundle, seen))
    if scan.probe is not given:
        result = replace(result, probe=scan.probe)
    stitch_seconds = perf_counter() - started - patches.seconds
    started = perf_counter()
    if refine is not None and processes.first:
        if seen.count < scan.count:
            looked = f"the network looked at {seen.count:,} of {scan.count:,} patterns, the refiner at all"
            result = replace(result, notes=(*result.notes, looked))
        result = refined_from(refine, scan, result, progress)
    return Assembly(result, patches.seconds, stitch_seconds, perf_counter() - started)


def _first_look(scan: Scan, bundle: Bundle) -> Scan:
    """What a generator is shown before a refiner: its time is better spent on epochs, where patterns abound."""
    if bundle.shape.channels > 1:
        return scan
    spacing = FIRST_LOOK[scope_of(bundle.generator)] * probe_diameter(scan.probe)
    return scan.subset(covering(scan.positions, spacing))


def _physical(stitched: Reconstruction, bundle: Bundle, scan: Scan) -> Reconstruction:
    """The stitched object on the scale of the scan's probe, with its uncertainty where the patches tell it."""
    obj, spread = bundle.scale.physical_object(stitched.object), stitched.spread
    # Patches that a generator of scope "scan" cuts from one canvas agree, whatever is wrong with it.
    if spread is None or scope_of(bundle.generator) == "scan":
        return replace(stitched, object=obj, spread=None)
    scale = np.float32(bundle.scale.transmission)
    spread = replace(spread, along=spread.along * scale, across=spread.across * scale)
    result = replace(stitched, object=obj, spread=spread)
    return replace(result, uncertainty=stitched_uncertainty(result, scan, common_error_of(bundle.generator)))


def _share(stitcher: PatchStitcher, processes: Processes, count: int) -> slice | None:
    """Which of `count` patches this process must predict; None for all."""
    if processes.world == 1 or not isinstance(stitcher, SharedStitcher):
        return None
    return stitcher.share(processes.stretch(count), processes.total)


class _PatchSupply:
    """The predicted patches as often as they are asked for, kept while they fit into PATCH_MEMORY."""

    def __init__(
        self, engine: TrainingEngine, bundle: Bundle, scan: Scan, progress: Progress, share: slice | None
    ) -> None:
        """`share`: which patterns, of an engine that can be shared; None for all."""
        self.seconds = 0.0
        self._share = share
        self._count = scan.count if share is None else share.stop - share.start
        self._engine = engine
        self._bundle = bundle
        self._scan = scan
        self._progress = progress
        self._memory = self._count * scan.pixels**2 * np.dtype(np.complex64).itemsize
        self._kept: list[PatchBatch] = []

    def __iter__(self) -> Iterator[PatchBatch]:
        if self._kept:
            yield from self._kept
            return
        self._progress.start("reconstructing", self._count, "patterns")
        source = iter(self._predicted())
        while True:
            started = perf_counter()
            batch = next(source, None)
            self.seconds += perf_counter() - started
            if batch is None:
                break
            if self._memory <= (PATCH_MEMORY_ON_DEVICE if isinstance(batch, DeviceBatch) else PATCH_MEMORY):
                self._kept.append(batch)
            self._progress.advance(len(batch.positions))
            yield batch
        self._progress.finish()

    def _predicted(self) -> Iterator[PatchBatch]:
        if self._share is None:
            return self._engine.predict(self._bundle, self._scan)
        assert isinstance(self._engine, SharedEngine)
        return self._engine.predict(self._bundle, self._scan, self._share)
