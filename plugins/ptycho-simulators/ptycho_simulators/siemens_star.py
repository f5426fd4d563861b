"""A Siemens star: spokes that narrow towards the centre, to read the resolution from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

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


@dataclass(frozen=True, slots=True)
class SiemensStar:
    """Options of the object, as described in `build`."""

    spokes: int
    inner_radius: float
    outer_radius: float
    amplitude_contrast: float
    phase_contrast: float

    def draw(self, size: int, rng: np.random.Generator) -> NDArray[np.complex64]:
        """Amplitude 1 and phase 0 around, 1 - amplitude_contrast and phase_contrast on the star; draws nothing."""
        star = self._covered(size)
        return transmission(1 - self.amplitude_contrast * star, self.phase_contrast * star)

    def _covered(self, size: int) -> NDArray[np.float64]:
        """Covered part of each pixel (size, size), 0 to 1, from its centre's distance to the nearest edge."""
        y, x = np.indices((size, size)) - (size - 1) / 2
        radius, angle = np.hypot(y, x), np.arctan2(y, x)
        to_spoke_edge = radius * np.arcsin(np.sin(self.spokes * angle)) / self.spokes
        depth = np.minimum.reduce([to_spoke_edge, radius - self.inner_radius, self.outer_radius * size - radius])
        covered: NDArray[np.float64] = np.clip(0.5 + depth, 0, 1)
        return covered


def build(
    *,
    size: Size = SIZE,
    pixels: Pixels = PIXELS,
    photons: Photons = PHOTONS,
    scan: ScanPattern = RASTER,
    probe: ProbeShape = DISC,
    spokes: Annotated[int, Field(ge=2, le=720, description="Number of spokes.")] = 36,
    inner_radius: Annotated[float, Field(ge=0, le=4096, description="Where the spokes end, in pixels.")] = 12.0,
    outer_radius: Annotated[
        float, Field(gt=0, le=1, description="Where the spokes begin, as a part of the object's side.")
    ] = 0.45,
    amplitude_contrast: Annotated[float, Field(ge=0, le=1, description="How much the star absorbs.")] = 0.5,
    phase_contrast: Annotated[float, Field(ge=-3.2, le=3.2, description="Phase of the star in radians.")] = 1.0,
) -> Simulation:
    """Simulator of scans over the same star each time."""
    star = SiemensStar(spokes, inner_radius, outer_radius, amplitude_contrast, phase_contrast)
    return Simulation("siemens_star", star, Acquisition(size, pixels, photons, scan, probe))
