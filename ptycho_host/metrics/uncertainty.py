"""The uncertainty of an object that was stitched of overlapping patches, or is the mean of several such objects.

Patches of one network share errors that no averaging takes away and that their spread alone does not show, so the
formula has factors that were found on simulated scans, where the error is known (`benchmarks/uncertainty.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.contracts import Reconstruction, Uncertainty
from ptycho_host.data.scan import Scan
from ptycho_host.metrics.pooling import Pool
from ptycho_host.physics.illumination import probe_diameter

Map = NDArray[np.floating[Any]]

COMMON = (1.1, 2.8)
"""Amplitude and phase: what all patches of a pixel err together, in units of their spread that is not photon noise.

For generators that state none of their own: the fit of `benchmarks/uncertainty.py` to `stable_hybrid`, trained briefly.
"""
POOL = 1 / 8
"""Width of the Gaussian, in probe diameters, over which variances are averaged: few patches tell them only roughly."""
COUNTED = 0.5
"""Where the patches' spread is a smaller part of photon noise than this, the patterns are not in photon counts."""
DARK = 1e-3
"""Part of the brightest light on the object below which less light makes no more noise: a limit for dark borders."""
NO_PHASE = np.pi / np.sqrt(3)
"""Standard deviation in radians of a phase of which nothing is known."""


def stitched_uncertainty(
    stitched: Reconstruction, scan: Scan, common: tuple[float, float] | None = None
) -> Uncertainty | None:
    """Standard uncertainty of an object that was stitched of patches, physical scale; None without their spread.

    u^2 = s^2 / n + b^2 max(s^2 - v^2, 0) along and across the object's phasor: what n patches of the spread s do not
    average out if they err independently, and what they err together, b = `common` (amplitude, phase; `COMMON` if
    None) times the part of the spread that is not photon noise v, of which v^2 / n is `photon_noise`. All variances are
    pooled over some pixels.
    """
    spread = stitched.spread
    if spread is None:
        return None
    known = np.isfinite(spread.along) & np.isfinite(spread.across)
    pool = Pool(known, POOL * probe_diameter(scan.probe))
    noise = pool.coarse(spread.patches * photon_noise(stitched.coverage, scan))
    variances = [pool.coarse(values**2) for values in (spread.along, spread.across)]
    told = np.isfinite(noise)
    if told.any() and np.median(variances[0][told]) < COUNTED**2 * np.median(noise[told]):
        noise = np.zeros_like(noise)
    patches = np.maximum(spread.patches, 1)
    along, across = (
        pool.fine(variance) / patches + pool.fine(factor**2 * np.maximum(variance - noise, 0))
        for variance, factor in zip(variances, common or COMMON, strict=True)
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
    pool = Pool(modulus > 0, POOL * probe_diameter(scan.probe))
    between = [pool(np.sum(part**2, axis=0) / (len(members) - 1)) for part in (turned.real, turned.imag)]
    return _of_variances(along + between[0], across + between[1], modulus)


def photon_noise(coverage: Map, scan: Scan) -> Map:
    """Variance (H, W) of the real or the imaginary part of an object that is the best mean of all patterns.

    The square root of a photon count has the variance 1/4, which an orthonormal transform spreads evenly over the exit
    wave, half of it along and half across any phasor: 1 / (8 L), with the light L = sum |P|^2 in photons. It is taken
    to lie as the coverage does, which is exact for weights |P|^2.
    """
    photons = scan.count * float(np.sum(np.abs(scan.probe.astype(np.complex128)) ** 2))
    if not coverage.any():
        return np.full(coverage.shape, np.nan)
    light = np.maximum(coverage, DARK * coverage.max())
    return np.asarray(float(coverage.sum(dtype=np.float64)) / (8 * photons) / light)


def _of_variances(along: Map, across: Map, modulus: Map) -> Uncertainty:
    """Along and across the phasor; NaN where there is no object."""
    there = modulus > 0
    amplitude = np.where(there, np.sqrt(along), np.nan)
    phase = np.divide(np.sqrt(across), modulus, out=np.full_like(amplitude, np.nan), where=there)
    return Uncertainty(amplitude.astype(np.float32), np.minimum(phase, NO_PHASE).astype(np.float32))
