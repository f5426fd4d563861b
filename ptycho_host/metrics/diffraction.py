"""An object against the measurement alone: does it predict the diffraction patterns? Needs no truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.patterns import blocks
from ptycho_host.data.scan import BoolArray, Scan
from ptycho_host.metrics.alignment import Complex
from ptycho_host.physics.bad_pixels import without_bad_pixels
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.patches import extract_patches

Floats = NDArray[np.float64]
PIXEL_BYTES = 64
"""Memory that the comparison takes for each pixel of the patterns in hand: complex waves, float64 amplitudes."""


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


def predicted_amplitudes(
    obj: Complex, scan: Scan, indices: NDArray[np.int64], further_modes: Complex | None = None
) -> NDArray[np.floating[Any]]:
    """Amplitudes (B, N, N) that the physical object (H, W) and the scan's probe predict at `indices` (B,).

    The intensities of `further_modes` (K, N, N) of the probe add to those of the scan's.
    """
    patches = extract_patches(obj, scan.positions[indices], scan.pixels)
    amplitude = diffraction_amplitude(patches, scan.probe)
    for mode in () if further_modes is None else further_modes:
        amplitude = np.hypot(amplitude, diffraction_amplitude(patches, mode))
    return amplitude


def diffraction_agreement(obj: Complex, scan: Scan, further_modes: Complex | None = None) -> DiffractionAgreement:
    """Agreement of the physical object (H, W) with all patterns of the scan at their sub-pixel positions.

    The object is on the scale of the scan's probe, and so are `further_modes` (K, N, N) of it whose intensities add;
    bad pixels are left out. Raises IndexError for positions off the object.
    """

    def pairs() -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        for part in blocks(scan.count, scan.pixels, PIXEL_BYTES):
            yield predicted_amplitudes(obj, scan, np.arange(part.start, part.stop), further_modes), scan.batch(part)

    return _agreement(pairs(), scan.bad_pixels)


def patch_agreement(
    batches: Iterable[tuple[Complex, NDArray[np.floating[Any]]]], probe: Complex, bad_pixels: BoolArray | None = None
) -> DiffractionAgreement:
    """Agreement of patterns with what their own object patches predict under the probe (N, N), batch by batch.

    batches: patches (B, N, N) and the amplitudes (B, N, N) of their patterns; all on one scale. bad_pixels: (N, N),
    left out. This is the figure for held-out patterns, whose patches nothing else has touched.
    """
    return _agreement(((diffraction_amplitude(patches, probe), measured) for patches, measured in batches), bad_pixels)


def _agreement(
    pairs: Iterable[tuple[NDArray[Any], NDArray[Any]]], bad_pixels: BoolArray | None
) -> DiffractionAgreement:
    """Sum up batches of predicted and measured amplitudes, each (B, N, N), over the good pixels."""
    correlations: list[Floats] = []
    absolute = squared = measured_sum = measured_energy = 0.0
    for predicted, measured in pairs:
        a, b = (without_bad_pixels(side.astype(np.float64), bad_pixels) for side in (predicted, measured))
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
