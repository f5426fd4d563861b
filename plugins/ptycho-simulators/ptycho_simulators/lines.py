"""Random segments blurred at three scales: the object of the grid-lines studies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter
from skimage.draw import line

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

BLURS = ((1, 1), (2, 5), (5, 10))
"""Weight and standard deviation in pixels of each Gaussian."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Options of the object, as described in `build`."""

    segments: int
    amplitude_floor: float
    phase: bool

    def draw(self, size: int, rng: np.random.Generator) -> NDArray[np.complex64]:
        """Floor + (1 - floor) I / max I, times exp(i pi tanh((I - max I / 2) / (3 mean I))) if `phase`.

        I (size, size) is cut from the centre of a canvas of twice the size, on which pixels of one-pixel-wide
        segments are 1, all others 0, blurred as G(1) + 2 G(5) + 5 G(10). Both ends of a segment are uniform over
        the pixels of the canvas; segments that cross do not add up.
        """
        intensity = _blurred_segments(size, self.segments, rng)
        peak = intensity.max()
        if peak == 0:  # no segment came near: possible for a handful of them
            return transmission(intensity + self.amplitude_floor, intensity)
        amplitude = self.amplitude_floor + (1 - self.amplitude_floor) * intensity / peak
        phase = np.pi * np.tanh((intensity - peak / 2) / (3 * intensity.mean()))
        return transmission(amplitude, phase if self.phase else np.zeros_like(phase))


def build(
    *,
    size: Size = SIZE,
    pixels: Pixels = PIXELS,
    photons: Photons = PHOTONS,
    scan: ScanPattern = RASTER,
    probe: ProbeShape = DISC,
    segments: Annotated[int, Field(ge=1, le=100_000, description="Segments on a canvas of twice the size.")] = 400,
    amplitude_floor: Annotated[float, Field(ge=0, lt=1, description="Smallest amplitude; the largest is 1.")] = 0.3,
    phase: Annotated[bool, Field(description="Whether the object has a phase, -pi to pi, from the same image.")] = True,
) -> Simulation:
    """Simulator of scans over a new lines object each time."""
    return Simulation("lines", Lines(segments, amplitude_floor, phase), Acquisition(size, pixels, photons, scan, probe))


def _blurred_segments(size: int, segments: int, rng: np.random.Generator) -> NDArray[np.float64]:
    canvas = np.zeros((2 * size, 2 * size))
    for ends in rng.integers(0, 2 * size, (segments, 4)).tolist():
        canvas[line(*ends)] = 1
    blurred = sum(weight * gaussian_filter(canvas, sigma) for weight, sigma in BLURS)
    centre = slice(size // 2, size // 2 + size)
    cut: NDArray[np.float64] = np.asarray(blurred)[centre, centre]
    return cut
