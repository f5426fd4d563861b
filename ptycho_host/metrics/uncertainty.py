"""The uncertainty of an object that was stitched of overlapping patches, or is the mean of several such objects.

Patches of one network share errors that no averaging takes away and that their spread alone does not show, so the
formulas have factors that were found on simulated scans, where the error is known (`benchmarks/uncertainty.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ptycho_host.contracts import Reconstruction, Uncertainty
from ptycho_host.data.scan import Scan
from ptycho_host.metrics.alignment import Alignment, Complex
from ptycho_host.metrics.object_metrics import wrapped_difference
from ptycho_host.metrics.region import Mask, Region
from ptycho_host.physics.illumination import probe_diameter

Map = NDArray[np.floating[Any]]

COMMON = (0.8, 2.2)
"""Amplitude and phase: what all patches of a pixel err together, in units of their spread that is not photon noise."""
POOL = 1 / 8
"""Width of the Gaussian, in probe diameters, over which variances are averaged: few patches tell them only roughly."""
LEAST_NEAR = 0.05
"""With a smaller part of known variances around it, nothing is known of a pixel."""
COUNTED = 0.5
"""Where the patches' spread is a smaller part of photon noise than this, the patterns are not in photon counts."""
DARK = 1e-3
"""Part of the brightest light on the object below which less light makes no more noise: a limit for dark borders."""
NO_PHASE = np.pi / np.sqrt(3)
"""Standard deviation in radians of a phase of which nothing is known."""


def stitched_uncertainty(
    stitched: Reconstruction, scan: Scan, common: tuple[float, float] = COMMON
) -> Uncertainty | None:
    """Standard uncertainty of an object that was stitched of patches, physical scale; None without their spread.

    u^2 = s^2 / n + b^2 max(s^2 - v^2, 0) along and across the object's phasor: what n patches of the spread s do not
    average out if they err independently, and what they err together, b = `common` (amplitude, phase) times the part
    of the spread that is not photon noise v, of which v^2 / n is `photon_noise`. All variances are pooled over some
    pixels.
    """
    spread = stitched.spread
    if spread is None:
        return None
    known = np.isfinite(spread.along) & np.isfinite(spread.across)
    pool = _Pool(known, POOL * probe_diameter(scan.probe))
    noise = pool(spread.patches * photon_noise(stitched.coverage, scan))
    variances = [pool(values**2) for values in (spread.along, spread.across)]
    told = np.isfinite(noise)
    if told.any() and np.median(variances[0][told]) < COUNTED**2 * np.median(noise[told]):
        noise = np.zeros_like(noise)
    along, across = (
        variance / np.maximum(spread.patches, 1) + factor**2 * np.maximum(variance - noise, 0)
        for variance, factor in zip(variances, common, strict=True)
    )
    return _of_variances(along, across, stitched.amplitude)


def ensemble_uncertainty(members: Sequence[Reconstruction], coverage: Map, scan: Scan) -> Uncertainty:
    """Standard uncertainty of the mean of several networks' objects (H, W) of one scan, aligned, on the physical scale.

    u^2 = mean u_k^2 + d^2 along and across the mean's phasor: what each network says of itself, and the variance of
    the networks about their mean, pooled over some pixels (the mixture of Lakshminarayanan, Pritzel and Blundell,
    Advances in Neural Information Processing Systems 30 (2017), section 2.4). The networks see the same patterns and
    start from the same back-projection: the mean is not taken to err less than they do. Where one says nothing of
    itself, photon noise stands for it. Raises ValueError for less than two.
    """
    if len(members) < 2:
        raise ValueError("an ensemble has two members at least")
    objects = [member.object.astype(np.complex128) for member in members]
    mean = np.mean(objects, axis=0)
    modulus, turn = np.abs(mean), np.exp(-1j * np.angle(mean))
    turned = np.stack([(obj - mean) * turn for obj in objects])
    own = [member.uncertainty for member in members if member.uncertainty is not None]
    along = across = photon_noise(coverage, scan)
    if len(own) == len(members):
        along = np.mean([values.amplitude**2 for values in own], axis=0)
        across = np.mean([values.phase**2 for values in own], axis=0) * modulus**2
    pool = _Pool(modulus > 0, POOL * probe_diameter(scan.probe))
    between = [pool(np.sum(part**2, axis=0) / (len(members) - 1)) for part in (turned.real, turned.imag)]
    return _of_variances(along + between[0], across + between[1], modulus)


def photon_noise(coverage: Map, scan: Scan) -> Map:
    """Variance (H, W) of the real or the imaginary part of an object that is the best mean of all patterns.

    The square root of a photon count has the variance 1/4, which an orthonormal transform spreads evenly over the exit
    wave, half of it along and half across any phasor: 1 / (8 L), with the light L = sum |P|^2 in photons. It is taken
    to lie as the coverage does, which is exact for weights |P|^2.
    """
    photons = scan.count * float(np.sum(np.abs(scan.probe.astype(np.complex128)) ** 2))
    light = coverage.astype(np.float64)
    if not light.any():
        return np.full(light.shape, np.nan)
    light = np.maximum(light, DARK * light.max()) * (photons / light.sum())
    return np.asarray(1 / (8 * light))


class _Pool:
    """The mean of variances (H, W) over known pixels nearby, weighted with a Gaussian; NaN where nearly none is."""

    def __init__(self, known: Mask, width: float) -> None:
        self._known, self._width = known, width
        self._near = self._blurred(known)

    def __call__(self, variance: Map) -> NDArray[np.float32]:
        total = self._blurred(np.where(self._known, variance, 0))
        return np.divide(total, self._near, out=np.full_like(total, np.nan), where=self._near > LEAST_NEAR)

    def _blurred(self, values: NDArray[Any]) -> NDArray[np.float32]:
        return np.asarray(gaussian_filter(values.astype(np.float32), self._width, mode="constant"))


def _of_variances(along: Map, across: Map, modulus: Map) -> Uncertainty:
    """Along and across the phasor; NaN where there is no object."""
    there = modulus > 0
    amplitude = np.where(there, np.sqrt(along), np.nan)
    phase = np.divide(np.sqrt(across), modulus, out=np.full_like(amplitude, np.nan), where=there)
    return Uncertainty(amplitude.astype(np.float32), np.minimum(phase, NO_PHASE).astype(np.float32))


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


@dataclass(frozen=True, slots=True)
class UncertaintyFigures:
    """The uncertainty of a typical pixel, amplitude in the units of the object and phase in radians.

    amplitude_within, phase_within: part of the pixels whose true error is at most their uncertainty, of which 0.68 is
    due; None without a truth.
    """

    amplitude: float
    phase: float
    amplitude_within: float | None = None
    phase_within: float | None = None

    @classmethod
    def of(
        cls, uncertainty: Uncertainty, region: Region, covered: Mask, errors: tuple[Map, Map] | None = None
    ) -> UncertaintyFigures | None:
        """Medians over covered pixels (H, W) of the region, and parts of its errors (H, W); None if none is known."""
        known = covered & np.isfinite(uncertainty.amplitude) & np.isfinite(uncertainty.phase)
        counted = np.zeros_like(known)
        counted[region.slices] = known[region.slices]
        if not counted.any():
            return None
        maps = [values[counted] for values in (uncertainty.amplitude, uncertainty.phase)]
        amplitude, phase = (float(np.median(values)) for values in maps)
        if errors is None:
            return cls(amplitude, phase)
        within = (float(np.mean(np.abs(error[counted]) <= due)) for error, due in zip(errors, maps, strict=True))
        return cls(amplitude, phase, *within)

    def as_json(self) -> dict[str, float]:
        """The figures that are known, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


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
