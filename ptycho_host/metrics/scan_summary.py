"""What is in a scan, in the figures that a beamline scientist asks for, and what looks suspicious."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ptycho_host.data.scan import Scan
from ptycho_host.physics.illumination import disc_overlap, probe_diameter

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScanSummary:
    """Sizes, dose, geometry of a scan, and warnings.

    photons: mean counts a pattern. brightest: largest count in a pixel. step: median distance to the nearest
    neighbour, object pixels. probe_diameter: effective, object pixels. overlap: common part of neighbouring probe
    discs, fraction. scale: sum |P|^2 over mean counts, 1 when the probe is on the contract's scale.
    """

    patterns: int
    pixels: int
    photons: float
    brightest: float
    step: float
    probe_diameter: float
    overlap: float
    scale: float
    canvas: tuple[int, int]
    known_object: str
    suspicions: tuple[str, ...]


def summarise(scan: Scan, batch: int = 256) -> ScanSummary:
    """Read all patterns once, in batches, and describe the scan."""
    counts = np.empty(scan.count)
    total = np.zeros((scan.pixels, scan.pixels))
    brightest = np.zeros((scan.pixels, scan.pixels))
    for first in range(0, scan.count, batch):
        intensity = np.square(scan.batch(slice(first, first + batch)), dtype=np.float64)
        counts[first : first + len(intensity)] = intensity.sum(axis=(1, 2))
        total += intensity.sum(axis=0)
        brightest = np.maximum(brightest, intensity.max(axis=0))
    step = _step(scan)
    diameter = probe_diameter(scan.probe)
    scale = float(np.sum(np.abs(scan.probe.astype(np.complex128)) ** 2) / counts.mean())
    summary = ScanSummary(
        patterns=scan.count,
        pixels=scan.pixels,
        photons=float(counts.mean()),
        brightest=float(brightest.max()),
        step=step,
        probe_diameter=diameter,
        overlap=disc_overlap(step, diameter),
        scale=scale,
        canvas=scan.canvas_shape(),
        known_object="truth" if scan.truth is not None else "reference" if scan.reference is not None else "none",
        suspicions=(),
    )
    return _with_suspicions(summary, counts, total, brightest)


def _step(scan: Scan) -> float:
    if scan.count < 2:
        return 0.0
    distances, _ = cKDTree(scan.positions).query(scan.positions, k=2)
    return float(np.median(distances[:, 1]))


def _with_suspicions(summary: ScanSummary, counts: FloatArray, total: FloatArray, brightest: FloatArray) -> ScanSummary:
    found = []
    faint = int((counts < 0.01 * np.median(counts)).sum())
    if faint:
        found.append(f"{faint} patterns have less than 1 % of the median counts: shutter or beam loss?")
    dead = int((total == 0).sum())
    if 0 < dead < total.size / 2:
        found.append(f"{dead} detector pixels never saw a photon: dead pixels, or a low dose.")
    saturated = int((brightest == brightest.max()).sum())
    if saturated > 4 and brightest.max() > 0:
        found.append(f"{saturated} detector pixels share the largest count {brightest.max():.0f}: saturated?")
    centre = np.array(np.unravel_index(int(total.argmax()), total.shape))
    if np.abs(centre - total.shape[0] // 2).max() > total.shape[0] / 4:
        found.append("the patterns are brightest far from the centre: is the zero frequency in the corner?")
    # Absorption makes it larger than 1, an ordinary sample by no more than a few times; nothing makes it smaller.
    if not 0.8 < summary.scale < 5:
        found.append(f"sum |probe|^2 is {summary.scale:.3g} times the mean counts; 1 is expected without absorption.")
    if summary.overlap < 0.4:
        found.append(f"neighbouring probes overlap by {summary.overlap:.0%}; reconstructions want 60 % or more.")
    if summary.patterns > 1 and summary.step == 0:
        found.append("positions coincide: are they in object pixels?")
    return replace(summary, suspicions=tuple(found))
