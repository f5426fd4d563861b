"""The uncertainty of an object that was stitched of overlapping patches, or is the mean of several such objects.

Patches of one network share errors that no averaging takes away and that their spread alone does not show, so the
formulas have factors that were found on simulated scans, where the error is known (`benchmarks/uncertainty.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ptycho_host.contracts import PatchSpread, Uncertainty
from ptycho_host.data.scan import Scan
from ptycho_host.metrics.alignment import Alignment, Complex
from ptycho_host.metrics.object_metrics import wrapped_difference
from ptycho_host.metrics.region import Mask
from ptycho_host.physics.illumination import illumination, probe_diameter

Map = NDArray[np.floating[Any]]

TINY = np.finfo(np.float32).tiny
COMMON = (0.8, 2.2)
"""Amplitude and phase: what all patches of a pixel err together, in units of their spread that is not photon noise."""
POOL = 1 / 8
"""Width of the Gaussian, in probe diameters, over which variances are averaged: few patches tell them only roughly."""
LEAST_NEAR = 0.05
"""With a smaller part of known variances around it, nothing is known of a pixel."""
COUNTED = 0.5
"""Where the patches' spread is a smaller part of photon noise than this, the patterns are not in photon counts."""
NO_PHASE = np.pi / np.sqrt(3)
"""Standard deviation in radians of a phase of which nothing is known."""


def stitched_uncertainty(
    modulus: Map, spread: PatchSpread, scan: Scan, common: tuple[float, float] = COMMON
) -> Uncertainty:
    """Standard uncertainty of an object of this modulus (H, W), stitched of patches with this spread, physical scale.

    u^2 = s^2 / n + b^2 max(s^2 - v^2, 0) along and across the object's phasor: what n patches of the spread s do not
    average out if they err independently, and what they err together, b = `common` (amplitude, phase) times the part
    of the spread that is not photon noise v. The square root of a photon count has the variance 1/4, half of it along
    and half across the phasor, so that v^2 = n / (8 sum |P|^2). All variances are pooled over some pixels.
    """
    light = np.maximum(illumination(scan.positions, scan.probe, (modulus.shape[0], modulus.shape[1])), TINY)
    known = np.isfinite(spread.along) & np.isfinite(spread.across)
    width = POOL * probe_diameter(scan.probe)
    near: NDArray[np.float32] = gaussian_filter(known.astype(np.float32), width)
    told = (near > LEAST_NEAR) & (spread.patches > 0)

    def pooled(variance: Map) -> NDArray[np.float32]:
        total: NDArray[np.float32] = gaussian_filter(np.where(known, variance, 0).astype(np.float32), width)
        return np.divide(total, near, out=np.full_like(total, np.nan), where=told)

    noise = pooled(spread.patches / (8 * light))
    variances = [pooled(values**2) for values in (spread.along, spread.across)]
    if told.any() and np.median(variances[0][told]) < COUNTED**2 * np.median(noise[told]):
        noise = np.zeros_like(noise)
    along, across = (
        np.sqrt(variance / np.maximum(spread.patches, 1) + factor**2 * np.maximum(variance - noise, 0))
        for variance, factor in zip(variances, common, strict=True)
    )
    phase = np.divide(across, modulus, out=np.full_like(across, NO_PHASE), where=modulus > 0)
    return Uncertainty(along, np.minimum(phase, NO_PHASE))


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Predicted uncertainties beside true errors: pixels in classes of equal number, from certain to uncertain.

    predicted, found: (K,) root mean squares of the uncertainties and of the errors in each class. within: parts of
    all pixels whose error is at most one, two and three uncertainties; 0.68, 0.95 and 0.997 would be due for errors
    that are distributed normally.
    """

    predicted: NDArray[np.float64]
    found: NDArray[np.float64]
    within: tuple[float, float, float]


def true_errors(alignment: Alignment, truth: Complex, counted: Mask) -> tuple[Map, Map]:
    """Errors (H, W) of amplitude, in the units of the object before it was aligned, and of phase in radians.

    NaN outside of the `counted` pixels (H, W).
    """
    aligned = np.where(counted, alignment.object, np.nan)
    return (np.abs(aligned) - np.abs(truth)) / alignment.amplitude_scale, wrapped_difference(aligned, truth)


def reliability(errors: Map, uncertainty: Map, classes: int = 12) -> Reliability | None:
    """How the uncertainties of pixels (…) agree with their true errors (…), NaN left out; None if nothing is left."""
    known = np.isfinite(errors) & np.isfinite(uncertainty) & (uncertainty > 0)
    predicted, found = uncertainty[known].astype(np.float64), np.abs(errors[known]).astype(np.float64)
    if found.size < classes:
        return None
    order = np.argsort(predicted, kind="stable")
    predicted, found = (
        np.array([np.sqrt(np.mean(part**2)) for part in np.array_split(values[order], classes)])
        for values in (predicted, found)
    )
    ratio = np.abs(errors[known]) / uncertainty[known]
    one, two, three = (float(np.mean(ratio <= times)) for times in (1, 2, 3))
    return Reliability(predicted, found, (one, two, three))
