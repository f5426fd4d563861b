"""A small scan whose object is known, and what the components see of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ptycho_host.contracts import GeneratorInputs
from ptycho_host.data.scan import ExperimentGeometry, Scan
from ptycho_host.physics.backprojection import back_projection
from ptycho_host.physics.dose import count_photons, probe_for_dose
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.intensity import IntensityScale
from ptycho_host.physics.patches import extract_patches


def smooth_object(shape: tuple[int, int], seed: int = 0, smoothness: float = 3.0) -> NDArray[np.complex64]:
    """An object (H, W) with moduli from 0.6 to 1 and phases of about a radian, smooth over `smoothness` pixels."""
    rng = np.random.default_rng(seed)
    # Filtered white noise falls with the width of the filter.
    modulus, phase = (smoothness * gaussian_filter(rng.normal(size=shape), smoothness) for _ in range(2))
    smooth: NDArray[np.complex64] = (0.8 + 0.2 * np.tanh(2.5 * modulus)) * np.exp(2.5j * phase)
    return smooth.astype(np.complex64)


def disc_probe(pixels: int) -> NDArray[np.complex64]:
    """A soft disc (N, N), half as wide as the patterns, slightly out of focus."""
    radius = np.hypot(*(np.indices((pixels, pixels)) - pixels // 2))
    edge = 1 / (1 + np.exp(2 * (radius - pixels / 4)))
    return np.asarray(edge * np.exp(1j * (2.5 * radius / pixels) ** 2), dtype=np.complex64)


def raster(first: float, step: float, count: int) -> NDArray[np.float64]:
    """Positions (count², 2) (y, x), line by line."""
    line = first + step * np.arange(count)
    return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)


def simulated_scan(pixels: int = 32, *, count: int = 5, photons: float = 1e6, seed: int = 0) -> Scan:
    """count² patterns of N x N pixels on a raster of N/8 object pixels, with truth, geometry and metadata."""
    step = pixels // 8
    side = pixels + step * (count - 1)
    truth = smooth_object((side, side), seed)
    positions = raster(pixels / 2, step, count)
    probe = disc_probe(pixels)
    patches = extract_patches(truth, positions, pixels)
    transmitted = np.sum(np.abs(patches * probe) ** 2) / (len(patches) * np.sum(np.abs(probe) ** 2))
    probe = probe_for_dose(probe, float(transmitted), photons)
    amplitudes = count_photons(diffraction_amplitude(patches, probe), np.random.default_rng(seed + 1))
    return Scan(
        amplitudes,
        positions,
        probe,
        truth=truth,
        name="tiny",
        geometry=ExperimentGeometry((1.5e-8, 1.25e-8), 8300.0, 1.9),
        metadata={"photons": photons},
    )


@dataclass(frozen=True, slots=True)
class Sight:
    """What a generator sees: `inputs` (B, C, N, N) in model units under the probe (N, N) in model units."""

    inputs: GeneratorInputs
    probe: NDArray[np.complex64]

    def part(self, indices: list[int]) -> GeneratorInputs:
        """Some groups of the batch, in that order."""
        return replace(self.inputs, amplitude=self.inputs.amplitude[indices], initial=self.inputs.initial[indices])


def sight(pixels: int, channels: int = 1, batch: int = 4) -> Sight:
    """`batch` groups of C patterns of a scan of N x N pixels."""
    scan = simulated_scan(pixels)
    scale = IntensityScale.of(scan)
    probe = scale.model_probe(scan.probe)
    # Spread over the scan, so that the patterns differ.
    indices = np.linspace(0, scan.count - 1, batch * channels).round().astype(np.int64)
    amplitude = scale.model_amplitude(scan.batch(indices)).reshape(batch, channels, pixels, pixels)
    initial = back_projection(amplitude, probe).astype(np.complex64)
    return Sight(GeneratorInputs(amplitude, initial, probe), probe)
