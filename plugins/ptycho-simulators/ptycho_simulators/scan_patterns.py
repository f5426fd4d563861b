"""Where the probe stands: raster, jittered raster, Fermat spiral and random positions, by spacing or by overlap."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.spatial import cKDTree

from ptycho_host.errors import InputError
from ptycho_host.physics.illumination import disc_overlap

Positions = NDArray[np.float64]

GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
SMALLEST_DISTANCE = 0.7
"""Random positions keep this many steps apart: dense enough to be even, loose enough to be drawn quickly."""
OVERLAP_TOLERANCE = 0.01


class ScanPattern(BaseModel):
    """Options of the scan: how the positions are arranged and how densely."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pattern: Annotated[
        Literal["raster", "jittered", "spiral", "random"],
        Field(description="Square raster, raster with random shifts, Fermat spiral, or random with a least distance."),
    ] = "raster"
    step: Annotated[
        float, Field(gt=0, le=4096, description="Spacing in object pixels: one position per step squared.")
    ] = 6.0
    jitter: Annotated[
        float, Field(ge=0, le=1, description="Largest shift of a jittered raster along each axis, as a part of step.")
    ] = 0.25
    overlap: Annotated[
        float | None,
        Field(
            ge=0.05,
            le=0.95,
            description="Mean overlap of the probe disc with its nearest neighbour's; when given, it sets the step.",
        ),
    ] = None


RASTER = ScanPattern()


def scan_positions(
    scan: ScanPattern, size: int, pixels: int, probe_diameter: float, rng: np.random.Generator
) -> Positions:
    """Positions (M, 2) float64 (y, x) of patches of `pixels` that lie wholly inside an object of `size` squared.

    Only a raster with a whole step touches the border; the others keep one pixel off it, for the interpolation.
    Raises InputError when the object is too small or `scan.overlap` cannot be reached on it.
    """
    margin = 0 if scan.pattern == "raster" and scan.overlap is None and scan.step.is_integer() else 1
    span = size - pixels - 2 * margin
    if span < 0:
        raise InputError(
            f"an object of {size} px has no room to scan a probe of {pixels} px: set simulator.size to at least "
            f"{pixels + 2 * margin}."
        )
    seed = int(rng.integers(2**63))
    first = pixels / 2 + margin
    if scan.overlap is None:
        return first + _arranged(scan, span, scan.step, seed)
    return first + _overlapping(scan, scan.overlap, span, probe_diameter, seed)


def mean_overlap(positions: Positions, probe_diameter: float) -> float:
    """Mean over the positions (M, 2) of the disc overlap with the nearest neighbour; 0 for a single position."""
    if len(positions) < 2:
        return 0.0
    distances = cKDTree(positions).query(positions, k=2)[0][:, 1]
    return float(np.mean([disc_overlap(distance, probe_diameter) for distance in distances]))


def _overlapping(scan: ScanPattern, overlap: float, span: float, diameter: float, seed: int) -> Positions:
    """Bisect the step, on a logarithmic scale, around the distance at which two discs overlap so much."""
    distances = np.linspace(0, diameter, 1025)
    overlaps = [disc_overlap(distance, diameter) for distance in distances]
    distance = float(np.interp(-overlap, -np.array(overlaps), distances))
    low, high = distance / 2, 2 * distance
    for _ in range(12):
        step = np.sqrt(low * high)
        positions = _arranged(scan, span, step, seed)
        reached = mean_overlap(positions, diameter)
        if abs(reached - overlap) < OVERLAP_TOLERANCE:
            return positions
        low, high = (step, high) if reached > overlap else (low, step)
    raise InputError(
        f"no {scan.pattern} scan of {span:g} px with a probe of {diameter:.3g} px diameter has a mean overlap of "
        f"{overlap:g}; the nearest has {reached:.2f}: enlarge simulator.size or change simulator.scan.overlap."
    )


def _arranged(scan: ScanPattern, span: float, step: float, seed: int) -> Positions:
    """Positions in the square from 0 to `span`."""
    rng = np.random.default_rng(seed)
    match scan.pattern:
        case "raster":
            return _raster(span, step)
        case "jittered":
            raster = _raster(span, step)
            shift = rng.uniform(-scan.jitter * step, scan.jitter * step, raster.shape)
            return np.clip(raster + shift, 0, span)
        case "spiral":
            return _fermat_spiral(span, step)
        case "random":
            return _random(span, step, rng)


def _raster(span: float, step: float) -> Positions:
    """Rows of constant y, as far as they fit, centred to the whole pixel."""
    count = int(span / step + 1e-9) + 1
    axis = (span - (count - 1) * step) // 2 + step * np.arange(count)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def _fermat_spiral(span: float, step: float) -> Positions:
    """Radius step sqrt((k + 1/2) / pi), golden angle: Huang et al., Opt. Express 22 (2014) 12634, eq. 1.

    It covers the whole square, so it goes on to the corners and what lies outside is left out.
    """
    index = np.arange(int(np.pi * span**2 / 2 / step**2) + 1)
    radius = step * np.sqrt((index + 0.5) / np.pi)
    angle = GOLDEN_ANGLE * index
    offsets = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=-1)
    inside = np.all(np.abs(offsets) <= span / 2, axis=1)
    return span / 2 + offsets[inside] if inside.any() else np.full((1, 2), span / 2)


def _random(span: float, step: float, rng: np.random.Generator) -> Positions:
    """Uniform darts that keep their distance from all before them, until there is one per step squared."""
    wanted = max(1, round((span / step) ** 2))
    kept = rng.uniform(0, span, (1, 2))
    for _ in range(500):
        if len(kept) >= wanted:
            break
        darts = rng.uniform(0, span, (2 * wanted, 2))
        free = darts[cKDTree(kept).query(darts)[0] >= SMALLEST_DISTANCE * step]
        alone = np.ones(len(free), dtype=bool)
        close = cKDTree(free).query_pairs(SMALLEST_DISTANCE * step, output_type="ndarray") if len(free) else []
        for earlier, later in sorted(map(tuple, close), key=lambda pair: pair[1]):
            alone[later] &= not alone[earlier]
        kept = np.concatenate([kept, free[alone]])[:wanted]
    return kept
