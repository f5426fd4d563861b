"""The scan: measured amplitudes, where the probe stood, and the probe. Everything else is derived from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

ComplexArray = NDArray[np.complex64]
FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Positions = NDArray[np.float64]


class PatternSource(Protocol):
    """Diffraction amplitudes (M, N, N), in memory or on disk, read when indexed.

    A NumPy array is one; so is anything with `shape` and `[integer array] -> (B, N, N)`.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, N, N)."""
        ...

    def __getitem__(self, index: Any, /) -> Any:
        """The amplitudes at `index` (int array (B,) or slice) as (B, N, N)."""
        ...


@dataclass(frozen=True, slots=True)
class SelectedPatterns:
    """Some patterns of a source, in a chosen order, still read when indexed."""

    source: PatternSource
    indices: NDArray[np.integer[Any]]

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, N, N)."""
        return (len(self.indices), *self.source.shape[1:])

    def __getitem__(self, index: Any, /) -> Any:
        """The amplitudes at `index` of the selection."""
        return self.source[self.indices[index]]


@dataclass(frozen=True, slots=True)
class ExperimentGeometry:
    """What turns object pixels into metres; written to product files, never needed to reconstruct.

    `object_pixel_m` is the side of an object pixel (y, x) in metres, `photon_energy_ev` the photon energy in
    electronvolts, `detector_distance_m` the distance from sample to detector in metres, `origin_m` where object
    coordinate (0, 0) lies on the sample stage, (y, x) in metres; None leaves the object's centre at zero.
    """

    object_pixel_m: tuple[float, float]
    photon_energy_ev: float
    detector_distance_m: float
    origin_m: tuple[float, float] | None = None

    def object_centre_m(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """(y, x) in metres of the centre of an object of `shape` (H, W)."""
        if self.origin_m is None:
            return 0.0, 0.0
        (y, x), (height, width) = self.origin_m, self.object_pixel_m
        return y + shape[0] / 2 * height, x + shape[1] / 2 * width


@dataclass(frozen=True, slots=True)
class Scan:
    """A ptychographic scan, M patterns of N x N detector pixels.

    amplitudes: (M, N, N) float32, square roots of photon counts, zero frequency in the centre, [N//2, N//2].
    positions: (M, 2) float64, (y, x) of each patch's centre in object pixels, sub-pixel; pixel n of a patch lies
        at object coordinate `position - N/2 + n`.
    probe: (N, N) complex64, on the scale sum |P|^2 = expected counts of a pattern behind a transparent object.
    truth: (H, W) complex64, the object itself where it is known (simulations), else None.
    reference: (H, W) complex64, somebody's reconstruction (not a truth), else None.
    name: what to call the scan in tables and figures.
    geometry: metres for product files, where known.
    metadata: how the scan came about, as plain values; kept by the writers.
    bad_pixels: (N, N) bool, True where the detector's values mean nothing, else None. Losses and metrics leave these
        pixels out, readers give zero there.
    per_pattern: what else the file holds a pattern, arrays (M, …) by name; kept by the writers, cut by `subset`.
    extras: other arrays of the file by name, which the host has no use for; kept by the writers.
    """

    amplitudes: PatternSource
    positions: Positions
    probe: ComplexArray
    truth: ComplexArray | None = None
    reference: ComplexArray | None = None
    name: str = "scan"
    geometry: ExperimentGeometry | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    bad_pixels: BoolArray | None = None
    per_pattern: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of patterns M."""
        return self.amplitudes.shape[0]

    @property
    def pixels(self) -> int:
        """Detector pixels a side, N."""
        return self.amplitudes.shape[-1]

    def batch(self, indices: NDArray[np.integer[Any]] | slice) -> FloatArray:
        """Amplitudes (B, N, N) float32 of the patterns at `indices`."""
        return np.asarray(self.amplitudes[indices], dtype=np.float32)

    def subset(self, indices: NDArray[np.integer[Any]]) -> Scan:
        """The scan of the patterns at `indices`, in that order, over the same object."""
        chosen = SelectedPatterns(self.amplitudes, np.asarray(indices))
        cut = {name: values[indices] for name, values in self.per_pattern.items()}
        return replace(self, amplitudes=chosen, positions=self.positions[indices], per_pattern=cut)

    def canvas_shape(self) -> tuple[int, int]:
        """(H, W) of the object: the known object's shape, or the smallest canvas that holds every patch."""
        for known in (self.truth, self.reference):
            if known is not None:
                return known.shape[0], known.shape[1]
        highest = np.ceil(self.positions.max(axis=0) + self.pixels / 2).astype(int) + 1
        return int(highest[0]), int(highest[1])

    def fingerprint(self) -> str:
        """SHA-256 over positions, probe, bad pixels and evenly spaced patterns: the same for the same data."""
        digest = hashlib.sha256()
        digest.update(repr(self.amplitudes.shape).encode())
        digest.update(np.ascontiguousarray(self.positions).tobytes())
        digest.update(np.ascontiguousarray(self.probe).tobytes())
        if self.bad_pixels is not None:
            digest.update(np.ascontiguousarray(self.bad_pixels).tobytes())
        sample = np.unique(np.linspace(0, self.count - 1, num=min(self.count, 64)).astype(int))
        digest.update(np.ascontiguousarray(self.batch(sample)).tobytes())
        return digest.hexdigest()
