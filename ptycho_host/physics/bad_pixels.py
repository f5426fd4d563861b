"""Bad detector pixels: what stands in for them where a number is needed, and how they are kept out of comparisons."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.scan import BoolArray, FloatArray, PatternSource, Scan
from ptycho_host.errors import DataError
from ptycho_host.physics.far_field import far_field


@dataclass(frozen=True, slots=True)
class FilledPatterns:
    """Patterns whose bad pixels hold c |FP|, what a uniform object gives there, c from the pattern's good pixels.

    c^2 = sum A^2 / sum |FP|^2 over the good pixels. Then the energy of a pattern, the intensity scale and the
    back-projection, which start from a uniform object, are those that the good pixels tell; networks see no holes.
    """

    source: PatternSource
    bad_pixels: BoolArray
    empty_amplitude: FloatArray

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, N, N)."""
        return self.source.shape

    def __getitem__(self, index: Any, /) -> FloatArray:
        """The amplitudes at `index` as (B, N, N) float32."""
        measured = np.asarray(self.source[index], dtype=np.float32)
        good = ~self.bad_pixels
        energy = np.sum(np.square(measured, dtype=np.float64), axis=(-2, -1), where=good, keepdims=True)
        expected = np.sum(np.square(self.empty_amplitude, dtype=np.float64), where=good)
        filled = np.sqrt(energy / expected) * self.empty_amplitude
        return np.where(self.bad_pixels, filled, measured).astype(np.float32)


def filled(scan: Scan) -> Scan:
    """The scan with what `FilledPatterns` says at its bad pixels; itself if it has none or they are filled already.

    Raises DataError when the probe sends nothing to the good pixels.
    """
    if scan.bad_pixels is None or isinstance(scan.amplitudes, FilledPatterns):
        return scan
    amplitude = np.abs(far_field(scan.probe)).astype(np.float32)
    if not (amplitude[~scan.bad_pixels] > 0).any():
        raise DataError(f"scan '{scan.name}': the probe sends nothing to the good pixels; check the mask.")
    return replace(scan, amplitudes=FilledPatterns(scan.amplitudes, scan.bad_pixels, amplitude))


def without_bad_pixels(amplitude: NDArray[Any], bad_pixels: BoolArray | None) -> NDArray[Any]:
    """Amplitudes (…, N, N), zero at bad pixels: predicted and measured ones then agree there."""
    return amplitude if bad_pixels is None else np.where(bad_pixels, np.zeros((), amplitude.dtype), amplitude)
