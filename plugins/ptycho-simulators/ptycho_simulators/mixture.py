"""A mosaic of objects of many classes: what a network must have seen to reconstruct samples of any of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter
from skimage.draw import ellipse, polygon

from ptycho_simulators.acquisition import PHOTONS, PIXELS, Acquisition, Photons, Pixels, Simulation, Size
from ptycho_simulators.lines import Lines
from ptycho_simulators.probes import DISC, ProbeShape
from ptycho_simulators.random_field import RandomField
from ptycho_simulators.scan_patterns import RASTER, ScanPattern
from ptycho_simulators.transmission import transmission

ObjectClass = Literal["lines", "fields", "shapes"]
CLASSES: tuple[ObjectClass, ...] = ("lines", "fields", "shapes")


@dataclass(frozen=True, slots=True)
class Mixture:
    """Options of the object, as described in `build`."""

    tile: int
    classes: tuple[ObjectClass, ...]

    def draw(self, size: int, rng: np.random.Generator) -> NDArray[np.complex64]:
        """Square tiles side by side, the classes by turns; each tile draws its own options and content."""
        side = -(-size // self.tile)
        obj = np.empty((side * self.tile, side * self.tile), dtype=np.complex64)
        for place, own in enumerate(rng.spawn(side * side)):
            top, left = (self.tile * index for index in divmod(place, side))
            # Shifted from row to row, so that a class does not fill whole columns.
            chosen = self.classes[(place + place // side) % len(self.classes)]
            obj[top : top + self.tile, left : left + self.tile] = DRAWN[chosen](self.tile, own)
        return obj[:size, :size]


def build(
    *,
    size: Size = 768,
    pixels: Pixels = PIXELS,
    photons: Photons = PHOTONS,
    scan: ScanPattern = RASTER,
    probe: ProbeShape = DISC,
    tile: Annotated[int, Field(ge=16, le=4096, description="Side of the square that holds one object, pixels.")] = 128,
    classes: Annotated[
        tuple[ObjectClass, ...],
        Field(min_length=1, description="What the squares hold by turns: segments, random fields, flat shapes."),
    ] = CLASSES,
) -> Simulation:
    """Simulator of scans over a new mosaic each time.

    Amplitude and phase of fields and shapes are drawn apart from each other, with contrasts from weak to strong and
    spectra from rough to smooth; lines have both from one image, as in `lines`.
    """
    return Simulation("mixture", Mixture(tile, classes), Acquisition(size, pixels, photons, scan, probe))


def _lines(size: int, rng: np.random.Generator) -> NDArray[np.complex64]:
    """About as crowded as 100 to 400 segments over 256 pixels."""
    crowded = rng.uniform(100, 400) * (size / 256)
    return Lines(max(4, round(crowded)), rng.uniform(0.1, 0.7), phase=True).draw(size, rng)


def _fields(size: int, rng: np.random.Generator) -> NDArray[np.complex64]:
    exponent, floor, deviation = rng.uniform(1.5, 4.5), rng.uniform(0.2, 0.9), rng.uniform(0.1, 0.8)
    return RandomField(exponent, floor, deviation, correlation=rng.uniform(-0.5, 0.5)).draw(size, rng)


def _shapes(size: int, rng: np.random.Generator) -> NDArray[np.complex64]:
    """Amplitude and phase of flat polygons and ellipses over each other, slightly blurred."""
    floor, depth = rng.uniform(0.1, 0.8), rng.uniform(0.3, 2.5)
    amplitude = floor + (1 - floor) * _flat_shapes(size, rng)
    return transmission(amplitude, depth * (_flat_shapes(size, rng) - 0.5))


def _flat_shapes(size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Grey values (size, size) from 0 to 1; later shapes cover earlier ones."""
    grey = np.full((size, size), rng.uniform())
    for _ in range(rng.integers(8, 40)):
        centre, radius = rng.uniform(0, size, 2), rng.uniform(0.03, 0.25) * size
        if rng.uniform() < 0.5:
            stretch = rng.uniform(0.4, 1)
            inside = ellipse(*centre, radius, radius * stretch, (size, size), rotation=rng.uniform(-np.pi, np.pi))
        else:
            angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 7)))
            corners = centre[:, None] + radius * np.stack([np.sin(angles), np.cos(angles)])
            inside = polygon(*corners, (size, size))
        grey[inside] = rng.uniform()
    blurred: NDArray[np.float64] = gaussian_filter(grey, rng.uniform(0.5, 1.5))
    return blurred


DRAWN = {"lines": _lines, "fields": _fields, "shapes": _shapes}
