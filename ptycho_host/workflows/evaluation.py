"""What was measured on a reconstruction: against the truth where it is known, against the patterns always."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ptycho_host.contracts import Bundle, Reconstruction, TrainingEngine
from ptycho_host.data.scan import Scan
from ptycho_host.metrics.diffraction import DiffractionAgreement, diffraction_agreement, patch_agreement
from ptycho_host.metrics.object_metrics import object_metrics
from ptycho_host.metrics.region import Region, covered_pixels, covered_region
from ptycho_host.metrics.reliability import UncertaintyFigures, true_errors
from ptycho_host.metrics.run_metrics import ReconstructionFigures, RefinementFigures, RunMetrics, TrainingFigures
from ptycho_host.metrics.uncertainty import Map
from ptycho_host.workflows.assembly import Assembly


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of merit and where on the object they hold.

    covered: (H, W) bool, the well-lit pixels of the canvas. errors: (H, W) each, of amplitude and phase (radians), NaN
    elsewhere; None without a truth.
    """

    metrics: RunMetrics
    region: Region
    covered: NDArray[np.bool_]
    errors: tuple[Map, Map] | None = None


def evaluate(
    assembly: Assembly,
    scan: Scan,
    training: TrainingFigures | None = None,
    held_out: DiffractionAgreement | None = None,
) -> Evaluation:
    """Measure a reconstruction of `scan`; `training` and `held_out` are passed on into the metrics."""
    made = assembly.reconstruction
    obj, refinement = made.object, made.refinement
    covered = covered_pixels(scan, obj.shape)
    region = covered_region(covered)
    against_truth = object_metrics(obj, scan.truth, region, covered=covered) if scan.truth is not None else None
    errors = None
    if against_truth is not None and scan.truth is not None:
        errors = true_errors(against_truth.alignment, scan.truth, covered)
    uncertainty = made.uncertainty
    metrics = RunMetrics(
        region=region,
        object=against_truth,
        diffraction=diffraction_agreement(obj, as_refined(scan, made), made.further_modes),
        held_out=held_out,
        training=training,
        reconstruction=ReconstructionFigures(
            patterns_per_second=scan.count / assembly.seconds, seconds=assembly.seconds
        ),
        refinement=RefinementFigures(assembly.refine_seconds, refinement) if refinement else None,
        uncertainty=None if uncertainty is None else UncertaintyFigures.of(uncertainty, region, covered, errors),
    )
    return Evaluation(metrics, region, covered, errors)


def as_refined(scan: Scan, reconstruction: Reconstruction) -> Scan:
    """The scan with the probe and the positions that belong to the object: its own, unless they were refined too."""
    probe, positions = reconstruction.probe, reconstruction.positions
    return replace(
        scan,
        probe=scan.probe if probe is None else probe,
        positions=scan.positions if positions is None else positions,
    )


def held_out_agreement(
    engine: TrainingEngine, bundle: Bundle, scan: Scan, indices: NDArray[np.int64]
) -> DiffractionAgreement | None:
    """How well predictions explain the patterns at `indices`, which training never saw; None without any.

    They are predicted from each other alone where the generator sees several patterns at once.
    """
    if len(indices) < bundle.shape.channels:
        return None
    unseen = replace(scan.subset(indices), probe=bundle.probe_for(scan.probe))

    def batches() -> Iterator[tuple[NDArray[np.complex64], NDArray[np.float32]]]:
        first = 0
        for batch in engine.predict(bundle, unseen):
            part = slice(first, first + len(batch.patches))
            yield bundle.scale.physical_object(batch.patches), unseen.batch(part)
            first = part.stop

    return patch_agreement(batches(), unseen.probe, scan.bad_pixels)


def training_figures(bundle: Bundle) -> TrainingFigures:
    """The training block of the metrics, from what the engine noted in the bundle."""
    facts = bundle.facts
    return TrainingFigures(
        epochs=facts["epochs"],
        patterns_per_second=facts["patterns_per_second"],
        seconds=facts["seconds"],
        final_loss=facts.get("final_loss"),
        collapsed=facts["collapsed"],
        peak_memory_mib=facts.get("peak_memory_mib"),
    )
