"""What is in a scan, in the figures that a beamline scientist asks for, and what looks suspicious."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.spatial import cKDTree

from ptycho_host.data.scan import BoolArray, Scan
from ptycho_host.errors import DataError
from ptycho_host.metrics.orientation import orientation
from ptycho_host.physics.bad_pixels import without_bad_pixels
from ptycho_host.physics.far_field import far_field
from ptycho_host.physics.illumination import disc_overlap, probe_diameter

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScanSummary:
    """Sizes, dose, geometry of a scan, and warnings.

    photons: mean counts a pattern. brightest: largest count in a pixel. step: median distance to the nearest
    neighbour, object pixels. probe_diameter: effective, object pixels. overlap: common part of neighbouring probe
    discs, fraction. scale: sum |P|^2 over mean counts, 1 when the probe is on the contract's scale. bad_pixels: how
    many pixels of the detector are masked; they are left out everywhere. agreement: correlation of the patterns with
    those of the known object, None without one.
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
    bad_pixels: int
    agreement: float | None
    suspicions: tuple[str, ...]


def summarise(scan: Scan, batch: int = 256) -> ScanSummary:
    """Read all patterns once, in batches, and describe the scan; raises DataError when all of them are empty."""
    counts = np.empty(scan.count)
    total = np.zeros((scan.pixels, scan.pixels))
    brightest = np.zeros((scan.pixels, scan.pixels))
    for first in range(0, scan.count, batch):
        measured = without_bad_pixels(scan.batch(slice(first, first + batch)), scan.bad_pixels)
        intensity = np.square(measured, dtype=np.float64)
        counts[first : first + len(intensity)] = intensity.sum(axis=(1, 2))
        total += intensity.sum(axis=0)
        brightest = np.maximum(brightest, intensity.max(axis=0))
    if not counts.any():
        raise DataError(f"scan '{scan.name}' holds only empty patterns; check how the file was made.")
    step = _step(scan)
    diameter = probe_diameter(scan.probe)
    of_probe = np.abs(far_field(scan.probe.astype(np.complex128)))
    scale = float(np.sum(without_bad_pixels(of_probe, scan.bad_pixels) ** 2) / counts.mean())
    hot = _hot_pixels(total, scan.bad_pixels)
    turned = orientation(replace(scan, bad_pixels=hot if scan.bad_pixels is None else hot | scan.bad_pixels))
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
        bad_pixels=0 if scan.bad_pixels is None else int(scan.bad_pixels.sum()),
        agreement=None if turned is None else turned.correlation,
        suspicions=(),
    )
    found = [*_of_counts(summary, counts, total, brightest, scan.bad_pixels), *_of_positions(summary, scan)]
    if turned is not None and turned.suspicion is not None:
        found.append(turned.suspicion)
    elif turned is None and (centred := _of_centre(total, scan.bad_pixels)) is not None:
        found.append(centred)
    return replace(summary, suspicions=tuple(found))


def _step(scan: Scan) -> float:
    if scan.count < 2:
        return 0.0
    distances, _ = cKDTree(scan.positions).query(scan.positions, k=2)
    return float(np.median(distances[:, 1]))


def _of_counts(
    summary: ScanSummary, counts: FloatArray, total: FloatArray, brightest: FloatArray, bad: BoolArray | None
) -> list[str]:
    found = []
    empty = int((counts == 0).sum())
    if empty:
        found.append(f"{empty} patterns are empty: drop them with --set data.reader.empty=drop.")
    faint = int(((counts > 0) & (counts < 0.01 * np.median(counts))).sum())
    if faint:
        found.append(f"{faint} patterns have less than 1 % of the median counts: shutter or beam loss?")
    good = np.ones(total.shape, dtype=bool) if bad is None else ~bad
    dead = int((total[good] == 0).sum())
    if 0 < dead < total.size / 2:
        found.append(f"{dead} detector pixels never saw a photon: dead pixels, or a low dose.")
    saturated = int((brightest[good] == brightest.max()).sum())
    if saturated > 4 and brightest.max() > 0:
        found.append(f"{saturated} detector pixels share the largest count {brightest.max():.0f}: saturated?")
    hot = int(_hot_pixels(total, bad).sum())
    if hot:
        found.append(f"{hot} detector pixels are far brighter than all around them: hot? mask them (ptycho prepare).")
    # Absorption makes it larger than 1, an ordinary sample by no more than a few times; nothing makes it smaller.
    if not 0.8 < summary.scale < 5:
        found.append(f"sum |probe|^2 is {summary.scale:.3g} times the mean counts; 1 is expected without absorption.")
    return found


def _of_positions(summary: ScanSummary, scan: Scan) -> list[str]:
    found = []
    if summary.overlap < 0.4:
        found.append(f"neighbouring probes overlap by {summary.overlap:.0%}; reconstructions want 60 % or more.")
    if summary.patterns > 1 and summary.step == 0:
        found.append("positions coincide: are they in object pixels?")
    else:
        repeated = scan.count - len(np.unique(np.round(scan.positions, 6), axis=0))
        if repeated:
            found.append(f"{repeated} positions occur more than once: repeated exposures, or a stuck stage?")
    half = scan.pixels / 2
    beyond = (scan.positions < half - 0.5) | (scan.positions > np.array(summary.canvas) - half + 0.5)
    if beyond.any():
        found.append(f"{int(beyond.any(axis=1).sum())} patches reach beyond the object's canvas.")
    return found


def _of_centre(total: FloatArray, bad: BoolArray | None) -> str | None:
    smooth = np.where(_hot_pixels(total, bad), 0, total)
    centre = np.array(np.unravel_index(int(smooth.argmax()), total.shape))
    if np.abs(centre - total.shape[0] // 2).max() <= total.shape[0] / 4:
        return None
    return "the patterns are brightest far from the centre: is the zero frequency in the corner?"


def _hot_pixels(total: FloatArray, bad: BoolArray | None) -> BoolArray:
    """Pixels that hold more than 100 times what any pixel around them does; patterns are smoother than that."""
    seen = total if bad is None else np.where(bad, 0, total)
    around = np.ones((3, 3), dtype=bool)
    around[1, 1] = False
    return np.asarray((seen > 100 * maximum_filter(seen, footprint=around)) & (seen > 100 * np.median(seen)))
