"""The one scale between model units, photon counts and the physical object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.patterns import blocks
from ptycho_host.data.scan import Scan
from ptycho_host.errors import DataError

PIXEL_BYTES = 16
"""Memory that summing up takes for each pixel of the patterns in hand: float32 as read, float64 squared."""


@dataclass(frozen=True, slots=True)
class IntensityScale:
    """Converts between measured and model units.

    amplitude: square root of photon counts per model unit of amplitude; with it the training data have root mean
        square 1 over all pixels.
    transmission: modulus of the uniform object that, with the scan's own probe, explains the mean pattern; the
        physical object is `transmission` times the model object.

    With probe P the two are bound by `amplitude = transmission * norm(P) / N`, since an orthonormal Fourier
    transform keeps the energy: sum A^2 = sum |P O|^2.
    """

    amplitude: float
    transmission: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.amplitude, self.transmission]).all() and min(self.amplitude, self.transmission) > 0):
            raise DataError(
                f"the intensity scale must be positive and finite, not {self.amplitude}, {self.transmission}: "
                "are all patterns empty, or is the probe zero?"
            )

    @classmethod
    def of(cls, scan: Scan) -> IntensityScale:
        """The scale of the scan, read block by block; raises DataError when all patterns or the probe are zero."""
        energy = 0.0
        for part in blocks(scan.count, scan.pixels, PIXEL_BYTES):
            energy += float(np.sum(np.square(scan.batch(part), dtype=np.float64)))
        probe_energy = float(np.sum(np.abs(scan.probe.astype(np.complex128)) ** 2))
        if energy == 0 or probe_energy == 0:
            culprit = "probeGuess is zero" if probe_energy == 0 else "all patterns are empty"
            raise DataError(f"scan '{scan.name}': {culprit}, so there is no intensity scale; check the file.")
        mean_counts = energy / scan.count
        return cls(float(np.sqrt(mean_counts)) / scan.pixels, float(np.sqrt(mean_counts / probe_energy)))

    def for_probe(self, probe: NDArray[np.complexfloating[Any, Any]]) -> IntensityScale:
        """The same model units under another probe or dose: the transmission stays, the amplitude follows |P|."""
        norm = float(np.linalg.norm(probe.astype(np.complex128)))
        return IntensityScale(self.transmission * norm / probe.shape[-1], self.transmission)

    def model_amplitude(self, amplitude: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Measured amplitudes (…, N, N), square roots of counts, in model units, float32."""
        return (amplitude / self.amplitude).astype(np.float32)

    def model_probe(self, probe: NDArray[np.complexfloating[Any, Any]]) -> NDArray[np.complex64]:
        """Probe (N, N) in model units, complex64: it makes model amplitudes out of model objects."""
        return (probe * (self.transmission / self.amplitude)).astype(np.complex64)

    def physical_object(self, model_object: NDArray[np.complexfloating[Any, Any]]) -> NDArray[np.complex64]:
        """Model object (…, H, W) as the transmission behind the scan's own probe, complex64."""
        return (model_object * self.transmission).astype(np.complex64)

    def model_object(self, physical_object: NDArray[np.complexfloating[Any, Any]]) -> NDArray[np.complex64]:
        """Physical object (…, H, W) in model units, complex64."""
        return (physical_object / self.transmission).astype(np.complex64)
