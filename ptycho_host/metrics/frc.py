"""Fourier ring correlation: up to which spatial frequency two images agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.signal.windows import hann

Floats = NDArray[np.float64]
NYQUIST = 0.5
"""Highest spatial frequency along an axis, cycles per pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class FRCCurve:
    """Correlation of two images ring by ring in Fourier space, R rings from the lowest frequency to Nyquist.

    frequency: (R,) cycles per pixel, ring centres. correlation: (R,) -1 to 1. half_bit: (R,) the half-bit
    threshold. counts: (R,) Fourier pixels of each ring.
    """

    frequency: Floats
    correlation: Floats
    half_bit: Floats
    counts: NDArray[np.int64]

    @property
    def frc50(self) -> float:
        """Cycles per pixel at which the correlation first falls below 0.5; Nyquist (0.5) where it never does."""
        return self._first_below(np.full_like(self.correlation, 0.5))

    @property
    def frc_half_bit(self) -> float:
        """Cycles per pixel at which the correlation first falls below the half-bit threshold; Nyquist if never."""
        return self._first_below(self.half_bit)

    def _first_below(self, threshold: Floats) -> float:
        """Zero of correlation - threshold, linear between rings; at zero frequency the correlation counts as 1."""
        excess = np.concatenate([[1 - threshold[0]], self.correlation - threshold])
        frequency = np.concatenate([[0.0], self.frequency])
        below = np.flatnonzero(excess < 0)
        if below.size == 0:
            return NYQUIST
        last = below[0]
        before, after = max(excess[last - 1], 0.0), excess[last]
        step = before / (before - after)
        return float(frequency[last - 1] + step * (frequency[last] - frequency[last - 1]))


def fourier_ring_correlation(a: NDArray[np.inexact[Any]], b: NDArray[np.inexact[Any]]) -> FRCCurve:
    """Correlation of two real or complex images (H, W) in rings 1/min(H, W) cycles per pixel wide.

    FRC(q) = Re sum F_a F_b* / sqrt(sum |F_a|^2 sum |F_b|^2) over the ring q (Saxton and Baumeister, J. Microscopy
    127 (1982)), after a Hann taper and without the mean, whose leakage would correlate any two images. The
    half-bit threshold is (0.2071 + 1.9102 / sqrt n) / (1.2071 + 0.9102 / sqrt n), n pixels in the ring (van Heel
    and Schatz, J. Struct. Biol. 151 (2005), eq. 17). A ring in which one image has nothing counts as 0.
    """
    if a.shape != b.shape or a.ndim != 2 or min(a.shape) < 4:
        raise ValueError(f"two images of one shape, 4 pixels a side at least, are needed, not {a.shape} and {b.shape}")
    ring = _ring_of(a.shape)
    rings = min(a.shape) // 2
    spectrum_a, spectrum_b = _tapered_spectrum(a), _tapered_spectrum(b)

    def ring_sum(values: Floats) -> Floats:
        sums = np.bincount(ring.ravel(), weights=values.ravel(), minlength=rings + 1)
        return sums[1 : rings + 1].astype(np.float64)

    cross = ring_sum((spectrum_a * spectrum_b.conj()).real)
    power = np.sqrt(ring_sum(np.abs(spectrum_a) ** 2)) * np.sqrt(ring_sum(np.abs(spectrum_b) ** 2))
    counts = ring_sum(np.ones(ring.shape)).astype(np.int64)
    root = np.sqrt(counts)
    return FRCCurve(
        frequency=np.arange(1, rings + 1) / min(a.shape),
        correlation=np.divide(cross, power, out=np.zeros_like(cross), where=power > 0),
        half_bit=(0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root),
        counts=counts,
    )


def _ring_of(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Index of the ring nearest to each Fourier pixel (H, W); 0 is the zero frequency."""
    rows, columns = (fft.fftfreq(length) for length in shape)
    radius = np.hypot(rows[:, None], columns[None, :])
    return np.asarray(np.rint(radius * min(shape)), dtype=np.int64)


def _tapered_spectrum(image: NDArray[np.inexact[Any]]) -> NDArray[np.complex128]:
    """Fourier transform (H, W) of the image without its mean, under a Hann taper; nothing at zero frequency."""
    taper = np.outer(*(hann(length, sym=False) for length in image.shape))
    mean = np.sum(taper * image) / np.sum(taper)
    return np.asarray(fft.fft2(taper * (image - mean)), dtype=np.complex128)
