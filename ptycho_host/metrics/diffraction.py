"""An object against the measurement alone: does it predict the diffraction patterns? Needs no truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.scan import Scan
from ptycho_host.metrics.alignment import Complex
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.patches import extract_patches

Floats = NDArray[np.float64]
BATCH = 256
"""Patterns simulated at a time: bounds the memory."""


@dataclass(frozen=True, slots=True)
class DiffractionAgreement:
    """How well predicted amplitudes a meet measured ones A; None where not defined, and `reasons` says why.

    correlation: mean over patterns of sum a A / sqrt(sum a^2 sum A^2), not centred; blind to scale.
    r_factor: sum |a - A| / sum A over all patterns. residual: sum (a - A)^2 / sum A^2 over all patterns.
    patterns: how many were compared; those without a photon are left out.
    correlations: (M,) float64, each pattern's correlation, NaN for those left out.
    """

    correlation: float | None
    r_factor: float | None
    residual: float | None
    patterns: int
    correlations: Floats = field(repr=False, compare=False)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The figures by name, null where not defined, and `reasons` if there are any."""
        figures: dict[str, Any] = {name: getattr(self, name) for name in FIGURES} | {"patterns": self.patterns}
        return figures | ({"reasons": dict(self.reasons)} if self.reasons else {})

    def examples(self) -> dict[str, int]:
        """Indices of the patterns predicted best, in the middle and worst: `{"best": …, "median": …, "worst": …}`."""
        order = np.argsort(self.correlations)[: np.isfinite(self.correlations).sum()]
        if order.size == 0:
            return {}
        return {"best": int(order[-1]), "median": int(order[order.size // 2]), "worst": int(order[0])}


FIGURES = ("correlation", "r_factor", "residual")


def predicted_amplitudes(obj: Complex, scan: Scan, indices: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
    """Amplitudes (B, N, N) that the physical object (H, W) and the scan's probe predict at `indices` (B,)."""
    return diffraction_amplitude(extract_patches(obj, scan.positions[indices], scan.pixels), scan.probe)


def diffraction_agreement(obj: Complex, scan: Scan, *, batch: int = BATCH) -> DiffractionAgreement:
    """Agreement of the physical object (H, W) with all patterns of the scan at their sub-pixel positions.

    The object is on the scale of the scan's probe. Raises IndexError for positions off the object.
    """

    def pairs() -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        for first in range(0, scan.count, batch):
            indices = np.arange(first, min(first + batch, scan.count))
            yield predicted_amplitudes(obj, scan, indices), scan.batch(slice(first, first + batch))

    return _agreement(pairs())


def patch_agreement(
    patches: Complex, amplitudes: NDArray[np.floating[Any]], probe: Complex, *, batch: int = BATCH
) -> DiffractionAgreement:
    """Agreement of patterns (M, N, N) with what their own object patches (M, N, N) predict under the probe (N, N).

    All on one scale. This is the figure for held-out patterns, whose patches nothing else has touched.
    """

    def pairs() -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        for first in range(0, len(patches), batch):
            part = slice(first, first + batch)
            yield diffraction_amplitude(patches[part], probe), amplitudes[part]

    return _agreement(pairs())


def _agreement(pairs: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> DiffractionAgreement:
    """Sum up batches of predicted and measured amplitudes, each (B, N, N)."""
    correlations: list[Floats] = []
    absolute = squared = measured_sum = measured_energy = 0.0
    for predicted, measured in pairs:
        a, b = predicted.astype(np.float64), measured.astype(np.float64)
        energy_a, energy_b = np.sum(a**2, axis=(-2, -1)), np.sum(b**2, axis=(-2, -1))
        lit = energy_b > 0
        # A dark prediction of a lit pattern is as wrong as can be, not undefined.
        norm = np.sqrt(energy_a * energy_b)
        product = np.sum(a * b, axis=(-2, -1))
        correlation = np.divide(product, norm, out=np.zeros_like(norm), where=norm != 0)
        correlations.append(np.where(lit, correlation, np.nan))
        absolute += float(np.abs(a - b)[lit].sum())
        squared += float(np.square(a - b)[lit].sum())
        measured_sum += float(b.sum())
        measured_energy += float(energy_b.sum())
    each = np.concatenate(correlations) if correlations else np.empty(0)
    compared = 0 if measured_energy == 0 else int(np.count_nonzero(~np.isnan(each)))
    if measured_energy == 0:
        return _undefined("no measured pattern holds a photon", each)
    if not np.isfinite(squared):
        return _undefined("the reconstruction is not finite", each)
    return DiffractionAgreement(
        correlation=float(np.nanmean(each)),
        r_factor=absolute / measured_sum,
        residual=squared / measured_energy,
        patterns=compared,
        correlations=each,
    )


def _undefined(reason: str, correlations: Floats) -> DiffractionAgreement:
    return DiffractionAgreement(None, None, None, 0, correlations, dict.fromkeys(FIGURES, reason))
