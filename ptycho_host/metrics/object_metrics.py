"""A reconstructed object against the known one: amplitude and phase, after alignment, inside the scanned region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.metrics.alignment import Alignment, Complex, align, global_phase
from ptycho_host.metrics.image_quality import ImageMetrics, image_metrics
from ptycho_host.metrics.region import Mask, Region

PHASE_THRESHOLD = 0.1
"""Phase is compared where the true amplitude exceeds this fraction of its largest value in the region."""
SMALLEST_PHASE_RANGE = 1e-5
"""Radians; the phase of a constant in complex64 scatters by about 1e-7."""
SMALLEST_AMPLITUDE_RANGE = 1e-5
"""As a fraction of the largest true amplitude."""


@dataclass(frozen=True, slots=True)
class ObjectMetrics:
    """Scores of amplitude and phase, where they were taken, and how the reconstruction was aligned."""

    amplitude: ImageMetrics
    phase: ImageMetrics
    region: Region
    alignment: Alignment
    phase_threshold: float

    def as_json(self) -> dict[str, Any]:
        """`{"amplitude": {…}, "phase": {…}, "region": {…}, "alignment": {…}}`, without NaN."""
        return {
            "amplitude": self.amplitude.as_json(),
            "phase": self.phase.as_json() | {"amplitude_threshold": self.phase_threshold},
            "region": self.region.as_json(),
            "alignment": self.alignment.as_json(),
        }


def object_metrics(
    reconstruction: Complex,
    truth: Complex,
    region: Region,
    *,
    covered: Mask | None = None,
    phase_threshold: float = PHASE_THRESHOLD,
    remove_plane: bool = False,
    register: bool = False,
) -> ObjectMetrics:
    """Scores of the reconstruction (H, W) against the truth (H, W) inside `region`, over the `covered` pixels (H, W).

    Phase differences are wrapped to (-pi, pi]; where a map is needed (SSIM, FRC) the reconstructed phase is the
    true one plus that difference, so a wrap is no error. SSIM compares local means too and so depends on the zero of
    phase, which is arbitrary: it is the truth's mean phase. Raises ValueError for two shapes.
    """
    lit = np.ones(truth.shape, dtype=np.bool_) if covered is None else covered
    finite = np.isfinite(reconstruction)
    # One NaN would spoil the alignment of everything; it still makes the scores undefined below.
    alignment = align(
        truth,
        np.where(finite, reconstruction, 0),
        region,
        weights=lit & finite,
        remove_plane=remove_plane,
        register=register,
    )
    inside = region.slices
    target, compared = truth[inside].astype(np.complex128), lit[inside]
    aligned = np.where(finite[inside], alignment.object[inside], np.nan)
    true_amplitude = np.abs(target)
    brightest = float(true_amplitude.max())
    true_phase, phase = phase_maps(target, aligned)
    return ObjectMetrics(
        amplitude=image_metrics(
            true_amplitude,
            np.abs(aligned),
            compared,
            quantity="amplitude",
            smallest_range=SMALLEST_AMPLITUDE_RANGE * brightest,
        ),
        phase=image_metrics(
            true_phase,
            phase,
            compared & (true_amplitude > phase_threshold * brightest),
            quantity="phase",
            smallest_range=SMALLEST_PHASE_RANGE,
        ),
        region=region,
        alignment=alignment,
        phase_threshold=phase_threshold,
    )


def phase_maps(truth: Complex, aligned: Complex) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """True phase about its mean, -pi to pi, and the aligned object's phase unwrapped along it; both (H, W) radians."""
    mean = global_phase(truth, np.ones_like(truth), np.ones(truth.shape))
    true_phase = np.angle(truth * np.exp(-1j * mean))
    return true_phase, true_phase + wrapped_difference(aligned, truth)


def wrapped_difference(a: Complex, b: Complex) -> NDArray[np.float64]:
    """Phase of a minus phase of b, radians in (-pi, pi]."""
    return np.asarray(np.angle(a * np.conj(b)), dtype=np.float64)
