"""Cells in culture, nearly transparent: weak phase from thickness, hardly any absorption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from scipy.special import expit

from ptycho_simulators.acquisition import (
    PHOTONS,
    PIXELS,
    SIZE,
    Acquisition,
    Photons,
    Pixels,
    Simulation,
    Size,
)  # fmt: skip
from ptycho_simulators.probes import DISC, ProbeShape
from ptycho_simulators.scan_patterns import RASTER, ScanPattern
from ptycho_simulators.transmission import transmission

Map = NDArray[np.float64]

CLOSEST = 0.8
"""Centres of cells keep this many diameters apart: they touch and lap over a little, as in a culture."""
BACKGROUND = 0.2
"""Deviation of the medium's thickness, over the height of a cell."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Options of the object, as described in `build`."""

    diameter: float
    confluence: float
    phase_contrast: float
    amplitude_contrast: float

    def draw(self, size: int, rng: np.random.Generator) -> NDArray[np.complex64]:
        """Amplitude 1 - amplitude_contrast a and phase phase_contrast t, with absorption a and thickness t, 0 to 1.

        The thickness is that of cell bodies, membranes, nuclei and granules on a smooth background; nuclei and
        granules absorb out of proportion to their thickness, so the amplitude does not tell the phase.
        """
        background = gaussian_filter(rng.standard_normal((size, size)), self.diameter, mode="wrap")
        thickness, absorption = BACKGROUND * background / background.std(), np.zeros((size, size))
        centres = _apart(size, CLOSEST * self.diameter, self.confluence, self.diameter, rng)
        for centre, own in zip(centres, rng.spawn(len(centres)), strict=True):
            _add_cell(thickness, absorption, centre, self.diameter / 2 * own.uniform(0.8, 1.2), own)
        return transmission(
            1 - self.amplitude_contrast * _stretched(absorption), self.phase_contrast * _stretched(thickness)
        )


def build(
    *,
    size: Size = SIZE,
    pixels: Pixels = PIXELS,
    photons: Photons = PHOTONS,
    scan: ScanPattern = RASTER,
    probe: ProbeShape = DISC,
    diameter: Annotated[float, Field(ge=8, le=1024, description="Mean diameter of a cell in pixels.")] = 56.0,
    confluence: Annotated[
        float, Field(gt=0, le=0.8, description="Part of the area that cells cover, as far as they find room.")
    ] = 0.6,
    phase_contrast: Annotated[
        float, Field(ge=0, le=0.5, description="Phase in radians of the thickest spot; the thinnest has none.")
    ] = 0.4,
    amplitude_contrast: Annotated[
        float, Field(ge=0, le=0.2, description="How much amplitude the densest spot takes away.")
    ] = 0.05,
) -> Simulation:
    """Simulator of scans over new cells each time."""
    cells = Cells(diameter, confluence, phase_contrast, amplitude_contrast)
    return Simulation("cells", cells, Acquisition(size, pixels, photons, scan, probe))


def _apart(size: int, distance: float, confluence: float, diameter: float, rng: np.random.Generator) -> Map:
    """Centres (M, 2) of cells, (y, x), at random but `distance` apart; as many as cover that part, or find room."""
    wanted = max(1, round(confluence * size**2 / (np.pi * diameter**2 / 4)))
    centres = rng.uniform(0, size, (1, 2))
    for dart in rng.uniform(0, size, (50 * wanted, 2)):
        if len(centres) == wanted:
            break
        if cKDTree(centres).query(dart)[0] >= distance:
            centres = np.concatenate([centres, dart[None]])
    return centres


def _add_cell(thickness: Map, absorption: Map, centre: Map, radius: float, rng: np.random.Generator) -> None:
    """Put one cell onto both maps (H, W), in place."""
    reach = int(2 * radius)
    top, left = (centre - reach).astype(int)
    rows, columns = (
        slice(max(first, 0), min(first + 2 * reach + 1, side))
        for first, side in zip((top, left), thickness.shape, strict=True)
    )
    y, x = np.mgrid[rows, columns] - centre[:, None, None]
    contour = radius * _roundish(np.arctan2(y, x), rng)
    outwards = np.hypot(y, x) - contour
    body = np.sqrt(np.clip(1 - (1 + outwards / contour) ** 2, 0, None))
    membrane = np.exp(-((outwards / 1.2) ** 2))
    nucleus, nucleolus = _nucleus(y, x, radius, rng)
    granules = _granules(y, x, radius, rng) * expit(-outwards)
    thickness[rows, columns] += body + 0.4 * membrane + 0.5 * nucleus + 0.3 * nucleolus + 0.4 * granules
    absorption[rows, columns] += 0.3 * membrane + 0.5 * nucleus + granules


def _roundish(angle: Map, rng: np.random.Generator) -> Map:
    """A contour's radius over its mean, for each angle: a circle with a few slow waves on it."""
    order = np.arange(2, 6)
    strength, phase = rng.uniform(0, 0.3, 4) / order, rng.uniform(0, 2 * np.pi, 4)
    waves: Map = np.tensordot(strength, np.cos(order[:, None, None] * angle + phase[:, None, None]), axes=1)
    return 1 + waves


def _nucleus(y: Map, x: Map, radius: float, rng: np.random.Generator) -> tuple[Map, Map]:
    """An ellipse with an edge about a pixel wide, and a round spot in it; both 0 to 1."""
    shift, spot = rng.uniform(-0.2, 0.2, (2, 2)) * radius
    turn, (long, short) = rng.uniform(0, np.pi), radius * rng.uniform(0.3, 0.5, 2)
    along = (np.cos(turn) * (y - shift[0]) + np.sin(turn) * (x - shift[1])) / long
    across = (np.cos(turn) * (x - shift[1]) - np.sin(turn) * (y - shift[0])) / short
    inwards = (1 - np.hypot(along, across)) * min(long, short)
    distance = np.hypot(y - shift[0] - spot[0] / 2, x - shift[1] - spot[1] / 2)
    return expit(2 * inwards), expit(2 * (0.1 * radius - distance))


def _granules(y: Map, x: Map, radius: float, rng: np.random.Generator) -> Map:
    """Small spots all over the cell, a pixel or two wide, each at most 1 high."""
    spots = np.zeros_like(y)
    for _ in range(rng.integers(10, 40)):
        height, width, distance, angle = rng.uniform((0.3, 0.7, 0.2, 0), (1, 1.6, 0.95, 2 * np.pi))
        off_y, off_x = distance * radius * np.sin(angle), distance * radius * np.cos(angle)
        spots += height * np.exp(-((y - off_y) ** 2 + (x - off_x) ** 2) / (2 * width**2))
    return spots


def _stretched(values: Map) -> Map:
    """From 0 to 1; all 0 where there is no contrast."""
    contrast = np.ptp(values)
    lowest: Map = values - values.min()
    return lowest / contrast if contrast else lowest
