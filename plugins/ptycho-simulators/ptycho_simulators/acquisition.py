"""The measurement that all simulators share: options, and the way from an object to counted photons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ptycho_host.contracts import SimulationRequest
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError
from ptycho_host.physics.dose import count_photons, probe_for_dose
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.illumination import probe_diameter
from ptycho_host.physics.patches import extract_patches
from ptycho_simulators.probes import ProbeShape, coherent_modes, make_probe
from ptycho_simulators.scan_patterns import ScanPattern, scan_positions

Size = Annotated[int, Field(ge=16, le=32768, description="Side of the square object in pixels.")]
Pixels = Annotated[int, Field(ge=8, le=2048, description="Side of a diffraction pattern in pixels, N.")]
Photons = Annotated[float, Field(gt=0, le=1e15, description="Mean photons counted in a pattern.")]

SIZE = 256
PIXELS = 64
PHOTONS = 1e9

BLOCK = 256
"""Patterns computed at a time, which bounds the memory beside the result."""


class Recipe(Protocol):
    """A frozen dataclass whose fields are an object's options."""

    def draw(self, size: int, rng: np.random.Generator) -> NDArray[np.complex64]:
        """An object (size, size) complex64."""
        ...


@dataclass(frozen=True, slots=True)
class Acquisition:
    """Options of the measurement, as described by `Size`, `Pixels`, `Photons`, `ScanPattern` and `ProbeShape`."""

    size: int
    pixels: int
    photons: float
    scan: ScanPattern
    probe: ProbeShape


@dataclass(frozen=True, slots=True)
class Simulation:
    """Draws an object, scans it and counts photons: what every factory here returns."""

    name: str
    recipe: Recipe
    acquisition: Acquisition

    def __call__(self, request: SimulationRequest, rng: np.random.Generator, /) -> Scan:
        """The scan with its truth; `rng` is split into one stream each for object, positions and photons.

        Without a requested probe, the probe is scaled so that sum |P O|^2 has the mean `photons` over the patterns;
        a requested probe is taken as it is. A second mode takes its part of the probe's light; the scan holds the probe
        with all of it, as if it were coherent. Raises InputError for a requested position whose patch leaves the
        object.
        """
        object_rng, position_rng, photon_rng = rng.spawn(3)
        size, photons = self.acquisition.size, self.acquisition.photons
        probe = make_probe(self.acquisition.probe, self.acquisition.pixels) if request.probe is None else request.probe
        pixels = probe.shape[-1]
        if request.positions is None:
            positions = scan_positions(self.acquisition.scan, size, pixels, probe_diameter(probe), position_rng)
        else:
            positions = request.positions
            _check_inside(positions, size, pixels)
        truth = self.recipe.draw(size, object_rng)

        amplitudes = _expected_amplitudes(truth, positions, coherent_modes(probe, self.acquisition.probe.second_mode))
        counts = sum(_energy(amplitudes[first : first + BLOCK]) for first in range(0, len(positions), BLOCK))
        mean_counts = counts / len(positions)
        if mean_counts == 0:
            raise InputError(f"simulator '{self.name}': no light passes the object; raise its smallest amplitude.")
        if request.probe is None:
            probe = probe_for_dose(probe, mean_counts / _energy(probe), photons)
            amplitudes *= np.float32(np.sqrt(photons / mean_counts))
            mean_counts = photons
        for first in range(0, len(positions), BLOCK):
            block = amplitudes[first : first + BLOCK]
            block[:] = count_photons(block, photon_rng)
        return Scan(
            amplitudes=amplitudes,
            positions=positions,
            probe=probe.astype(np.complex64),
            truth=truth,
            name=self.name,
            metadata={"simulator": self.name, "photons": mean_counts, "options": self._options(request)},
        )

    def _options(self, request: SimulationRequest) -> Mapping[str, Any]:
        """The options that made the scan, as plain values, without those that the caller replaced."""
        options = asdict(cast("Any", self.recipe)) | {"size": self.acquisition.size}
        if request.positions is None:
            options["scan"] = self.acquisition.scan.model_dump(mode="json")
        if request.probe is None:
            options["pixels"] = self.acquisition.pixels
            options["photons"] = self.acquisition.photons
            options["probe"] = self.acquisition.probe.model_dump(mode="json")
        return options


def _expected_amplitudes(
    truth: NDArray[np.complex64], positions: NDArray[np.float64], modes: NDArray[np.complex64]
) -> NDArray[np.float32]:
    """Amplitudes (M, N, N) whose squares are the sums of the intensities of all modes (K, N, N)."""
    pixels = modes.shape[-1]
    amplitudes = np.empty((len(positions), pixels, pixels), dtype=np.float32)
    for first in range(0, len(positions), BLOCK):
        patches = extract_patches(truth, positions[first : first + BLOCK], pixels)
        block = amplitudes[first : first + BLOCK]
        block[:] = diffraction_amplitude(patches, modes[0])
        for mode in modes[1:]:
            np.hypot(block, diffraction_amplitude(patches, mode), out=block)
    return amplitudes


def _energy(wave: NDArray[np.inexact[Any]]) -> float:
    """Sum |wave|^2 in double precision."""
    return float(np.sum(np.square(np.abs(wave), dtype=np.float64)))


def _check_inside(positions: NDArray[np.float64], size: int, pixels: int) -> None:
    if len(positions) == 0 or not np.isfinite(positions).all():
        raise InputError("the requested positions must be finite numbers, at least one pair.")
    lowest, highest = positions.min(), positions.max()
    if lowest < pixels / 2 or highest > size - pixels / 2:
        raise InputError(
            f"the requested positions reach from {lowest:.1f} to {highest:.1f} px, but patches of {pixels} px lie "
            f"inside an object of {size} px only from {pixels / 2:g} to {size - pixels / 2:g}: shift them or enlarge "
            "simulator.size."
        )
