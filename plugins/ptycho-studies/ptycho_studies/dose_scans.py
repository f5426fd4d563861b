"""The scans of the dose study: lines objects of given contrast, the same waves at every dose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host import Host, Scan, simulate
from ptycho_host.physics.dose import count_photons, probe_for_dose
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.patches import extract_patches


@dataclass(frozen=True, slots=True)
class LinesScan:
    """A scan of about `patterns` patterns of `pixels` squared over a lines object of `size` squared.

    Amplitudes reach from `darkest` to `brightest`. A raster has the number of positions that comes nearest to
    `patterns` and whose step is a whole pixel.
    """

    size: int
    pixels: int
    patterns: int
    darkest: float
    brightest: float
    phase: bool
    raster: bool

    def made(self, photons: float, seed: int, host: Host) -> Scan:
        """The scan at `photons` a pattern; with the same seed, object and positions are the same at any dose."""
        options: dict[str, Any] = {"size": self.size, "pixels": self.pixels, "scan": self._arrangement()}
        drawn = simulate("lines", {**options, "amplitude_floor": 0.0, "phase": False}, seed=seed, host=host)
        assert drawn.truth is not None
        truth = self.transmission(np.abs(drawn.truth).astype(np.float64))
        patches = extract_patches(truth, drawn.positions, self.pixels)
        amplitudes = diffraction_amplitude(patches, drawn.probe).astype(np.float64)
        energy = float(np.sum(np.abs(drawn.probe.astype(np.complex128)) ** 2))
        mean_counts = float(np.mean(np.sum(amplitudes**2, axis=(1, 2))))
        # A stream of its own: the simulator has used those of the seed itself.
        rng = np.random.default_rng([seed, 1])
        return Scan(
            amplitudes=count_photons(amplitudes * np.sqrt(photons / mean_counts), rng),
            positions=drawn.positions,
            probe=probe_for_dose(drawn.probe, mean_counts / energy, photons),
            truth=truth,
            name="dose",
            metadata={"simulator": "lines", "photons": photons, "seed": seed},
        )

    def transmission(self, image: NDArray[np.float64]) -> NDArray[np.complex64]:
        """The object (H, W) of a blurred image of lines, I after it was stretched to 0 to 1.

        Amplitude darkest + (brightest - darkest) I; phase pi tanh((I - 1/2) / (3 mean I)), as in the grid-lines
        study, or 0.
        """
        stretched = (image - image.min()) / np.ptp(image)
        amplitude = self.darkest + (self.brightest - self.darkest) * stretched
        phase = np.pi * np.tanh((stretched - 0.5) / (3 * stretched.mean())) if self.phase else 0.0
        return np.asarray(amplitude * np.exp(1j * phase), dtype=np.complex64)

    def _arrangement(self) -> dict[str, Any]:
        if self.raster:
            side = max(2, round(self.patterns**0.5))
            return {"pattern": "raster", "step": float(max(1, (self.size - self.pixels) // (side - 1)))}
        # Random positions keep a pixel off the border, and there is one for each step squared.
        return {"pattern": "random", "step": (self.size - self.pixels - 2) / self.patterns**0.5}
