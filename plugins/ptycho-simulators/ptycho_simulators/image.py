"""Pictures as objects: one for the amplitude, another for the phase."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field
from skimage import color, transform

from ptycho_host.errors import DataError, InputError, quoted
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

SAMPLES = (
    "astronaut", "brick", "camera", "cell", "chelsea", "coffee", "coins", "grass", "gravel", "moon", "page", "text",
)  # fmt: skip
"""Pictures that come with scikit-image itself, so that nothing is downloaded."""

GREY_MODES = ("L", "I;16", "I", "F")
"""Pillow's names for one channel of 8, 16 or 32 bits, or of floating point."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Options of the object, as described in `build`."""

    amplitude: str
    phase: str
    amplitude_floor: float
    phase_range: float

    def draw(self, size: int, rng: np.random.Generator) -> NDArray[np.complex64]:
        """Floor + (1 - floor) a, times exp(i range (b - 1/2)), with pictures a and b from 0 to 1; draws nothing."""
        amplitude = self.amplitude_floor + (1 - self.amplitude_floor) * _picture(self.amplitude, size)
        if self.phase_range == 0:
            return transmission(amplitude, np.zeros_like(amplitude))
        return transmission(amplitude, self.phase_range * (_picture(self.phase, size) - 0.5))


def build(
    *,
    size: Size = SIZE,
    pixels: Pixels = PIXELS,
    photons: Photons = PHOTONS,
    scan: ScanPattern = RASTER,
    probe: ProbeShape = DISC,
    amplitude: Annotated[
        str, Field(description="Image file, or the name of a scikit-image sample (astronaut, camera, coins, moon, …).")
    ] = "astronaut",
    phase: Annotated[str, Field(description="The same for the phase; not read when phase_range is 0.")] = "coins",
    amplitude_floor: Annotated[float, Field(ge=0, lt=1, description="Amplitude of black; white is 1.")] = 0.4,
    phase_range: Annotated[
        float, Field(ge=0, le=6.3, description="Phase in radians between black and white, even about zero.")
    ] = 1.5,
) -> Simulation:
    """Simulator of scans over the same pictures each time."""
    pictures = Pictures(amplitude, phase, amplitude_floor, phase_range)
    return Simulation("image", pictures, Acquisition(size, pixels, photons, scan, probe))


def _picture(name: str, size: int) -> NDArray[np.float64]:
    """Grey values (size, size), stretched to 0 to 1, of the largest central square."""
    grey = _grey_values(name)
    side = min(grey.shape)
    top, left = (grey.shape[0] - side) // 2, (grey.shape[1] - side) // 2
    square = grey[top : top + side, left : left + side]
    resized = transform.resize(square, (size, size), anti_aliasing=side > size)
    darkest, contrast = resized.min(), np.ptp(resized)
    if not contrast > 0:
        raise DataError(f"the picture '{name}' is of one grey: it would make an object without structure.")
    stretched: NDArray[np.float64] = (resized - darkest) / contrast
    return stretched


def _grey_values(name: str) -> NDArray[np.float64]:
    """Luminance (H, W) of a sample or a file; transparency is taken as opaque."""
    if name in SAMPLES:
        with resources.as_file(resources.files("skimage.data") / f"{name}.png") as sample:
            return _read(sample)
    if not Path(name).is_file():
        raise InputError(f"'{name}' is neither an image file nor one of the samples {quoted(SAMPLES)}.")
    return _read(Path(name))


def _read(path: Path) -> NDArray[np.float64]:
    try:
        with Image.open(path) as picture:
            if picture.mode in GREY_MODES:
                return np.asarray(picture, dtype=np.float64)
            return np.asarray(color.rgb2gray(np.asarray(picture.convert("RGB"))), dtype=np.float64)
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path} cannot be read as an image ({error}).") from error
