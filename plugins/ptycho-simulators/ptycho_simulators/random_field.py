"""Gaussian random fields with a power-law spectrum, whose amplitude says nothing about the phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import fft, special

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
class RandomField:
    """Options of the object, as described in `build`."""

    exponent: float
    amplitude_floor: float
    phase_deviation: float
    correlation: float

    def draw(self, size: int, rng: np.random.Generator) -> NDArray[np.complex64]:
        """Amplitude floor + (1 - floor) Phi(f), phase phase_deviation h, with unit Gaussian fields f and h.

        Phi is the normal distribution function, so amplitudes are about uniform between floor and 1.
        """
        field, other = (_gaussian_field(size, self.exponent, rng) for _ in range(2))
        amplitude = self.amplitude_floor + (1 - self.amplitude_floor) * special.ndtr(field)
        phase = self.phase_deviation * (self.correlation * field + np.sqrt(1 - self.correlation**2) * other)
        return transmission(amplitude, phase)


def build(
    *,
    size: Size = SIZE,
    pixels: Pixels = PIXELS,
    photons: Photons = PHOTONS,
    scan: ScanPattern = RASTER,
    probe: ProbeShape = DISC,
    exponent: Annotated[
        float, Field(ge=0, le=6, description="Spectral power falls as spatial frequency to minus this; 0 is white.")
    ] = 3.0,
    amplitude_floor: Annotated[float, Field(ge=0, lt=1, description="Smallest amplitude; the largest is 1.")] = 0.4,
    phase_deviation: Annotated[
        float, Field(ge=0, le=10, description="Standard deviation of the phase in radians.")
    ] = 0.5,
    correlation: Annotated[
        float, Field(ge=-1, le=1, description="Correlation of the fields behind amplitude and phase.")
    ] = 0.0,
) -> Simulation:
    """Simulator of scans over a new random object each time."""
    field = RandomField(exponent, amplitude_floor, phase_deviation, correlation)
    return Simulation("random_field", field, Acquisition(size, pixels, photons, scan, probe))


def _gaussian_field(size: int, exponent: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Field (size, size) with mean 0 and variance 1: filtered white noise, periodic over the square."""
    frequency = np.hypot(fft.fftfreq(size)[:, None], fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf  # takes the mean away
    spectrum = fft.rfft2(rng.standard_normal((size, size))) * frequency ** (-exponent / 2)
    spectrum[0, 0] = 0
    field: NDArray[np.float64] = fft.irfft2(spectrum, s=(size, size))
    field /= field.std()
    return field
