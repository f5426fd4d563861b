"""Figures and the report page of a run."""

from __future__ import annotations

import numpy as np

from ptycho_host.atomic import write_bytes, write_text
from ptycho_host.config import RunConfig
from ptycho_host.contracts import Reconstruction, Uncertainty
from ptycho_host.data.scan import Scan
from ptycho_host.metrics.diffraction import predicted_amplitudes
from ptycho_host.records import EpochReport
from ptycho_host.report.figures import (
    DiffractionExample,
    diffraction_figure,
    frc_figure,
    png,
    reconstruction_figure,
    training_figure,
    uncertainty_figure,
)
from ptycho_host.report.page import PageFigure, render_page
from ptycho_host.runs.directory import RunDirectory
from ptycho_host.workflows.evaluation import Evaluation, as_refined


def publish(
    directory: RunDirectory,
    reconstruction: Reconstruction,
    evaluation: Evaluation,
    scan: Scan,
    history: list[EpochReport],
    config: RunConfig,
) -> None:
    """Write `figures/*.png` and `report.html`."""
    figures = {
        "reconstruction": PageFigure(
            "Reconstruction",
            _reconstruction(reconstruction, evaluation, scan),
            "Amplitude and phase beside the truth, and what is wrong with them."
            if scan.truth is not None
            else "Amplitude and phase where the scan covers the object well, and the coverage of the whole canvas.",
        ),
        "training": PageFigure(
            "Training", png(training_figure(history)), "Losses, learning rate and gradients, epoch by epoch."
        ),
    }
    examples = _examples(reconstruction, evaluation, as_refined(scan, reconstruction))
    if examples:
        figures["diffraction"] = PageFigure(
            "Diffraction",
            png(diffraction_figure(examples)),
            "Measured photon counts, and those that the stitched object predicts: best, median and worst pattern.",
        )
    if reconstruction.uncertainty is not None:
        figures["uncertainty"] = PageFigure(
            "Uncertainty",
            _uncertainty(reconstruction.uncertainty, evaluation, scan),
            "Standard uncertainty of amplitude and phase, from how far the overlapping patches lie apart."
            + (" Beside it the true error: on the dashed line the two agree." if scan.truth is not None else ""),
        )
    against_truth = evaluation.metrics.object
    if against_truth is not None:
        curves = {
            name.capitalize(): {"reconstruction": metrics.frc}
            for name, metrics in (("amplitude", against_truth.amplitude), ("phase", against_truth.phase))
            if metrics.frc is not None
        }
        if curves:
            figures["fourier_ring_correlation"] = PageFigure(
                "Resolution", png(frc_figure(curves)), "Fourier ring correlation with the truth."
            )
    for name, figure in figures.items():
        write_bytes(directory.figures / f"{name}.png", figure.png)
    name = config.generator.name
    page = render_page(
        f"{name} on {scan.name}",
        {name: evaluation.metrics.as_json()},
        subtitle=f"{scan.count} patterns of {scan.pixels} × {scan.pixels} pixels",
        figures=list(figures.values()),
        notes=_notes(reconstruction, history),
        config=config.as_toml(),
        environment=directory.read_environment(),
    )
    write_text(directory.report, page)


def _reconstruction(reconstruction: Reconstruction, evaluation: Evaluation, scan: Scan) -> bytes:
    against_truth = evaluation.metrics.object
    shown = reconstruction.object if against_truth is None else against_truth.alignment.object
    return png(
        reconstruction_figure(
            shown, evaluation.region, truth=scan.truth, coverage=reconstruction.coverage, pixel_m=_pixel_m(scan)
        )
    )


def _pixel_m(scan: Scan) -> float | None:
    return scan.geometry.object_pixel_m[0] if scan.geometry is not None else None


def _uncertainty(uncertainty: Uncertainty, evaluation: Evaluation, scan: Scan) -> bytes:
    return png(uncertainty_figure(uncertainty, evaluation.region, errors=evaluation.errors, pixel_m=_pixel_m(scan)))


def _examples(reconstruction: Reconstruction, evaluation: Evaluation, scan: Scan) -> list[DiffractionExample]:
    """The best, the median and the worst explained pattern; none when no pattern could be compared."""
    agreement = evaluation.metrics.diffraction
    examples = []
    for label, index in agreement.examples().items() if agreement is not None else ():
        chosen = np.array([index])
        examples.append(
            DiffractionExample(
                f"{label}: pattern {index}",
                scan.batch(chosen)[0],
                predicted_amplitudes(reconstruction.object, scan, chosen, reconstruction.further_modes)[0],
            )
        )
    return examples


def _notes(reconstruction: Reconstruction, history: list[EpochReport]) -> list[str]:
    notes = list(reconstruction.notes)
    collapsed = [report.epoch for report in history if report.collapsed]
    if collapsed:
        notes.append(f"The predictions had collapsed to one patch in epochs {', '.join(map(str, collapsed))}.")
    return notes
