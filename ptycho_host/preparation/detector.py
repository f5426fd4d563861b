"""Cropping and binning the detector, and what that means for probe, positions and object.

The far field ties them: an object pixel is lambda z / (N p), with N detector pixels of pitch p.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import gcd
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import fft

from ptycho_host.data.scan import ComplexArray, PatternSource, Scan
from ptycho_host.errors import DataError
from ptycho_host.preparation.energy import with_energy_of

LOST_AT_MOST = 0.05
"""Fraction of the probe's energy that binning may cut off; beyond it patches overlap their own copies."""


@dataclass(frozen=True, slots=True)
class CroppedPatterns:
    """The central n x n pixels of patterns, the zero frequency in their centre again."""

    source: PatternSource
    pixels: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, n, n)."""
        return (self.source.shape[0], self.pixels, self.pixels)

    def __getitem__(self, index: Any, /) -> NDArray[np.float32]:
        """The amplitudes at `index`."""
        window = _central(self.source.shape[-1], self.pixels)
        return np.asarray(self.source[index][:, window, window], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class BinnedPatterns:
    """Patterns whose photon counts are summed over `factor` x `factor` pixels."""

    source: PatternSource
    factor: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, N / factor, N / factor)."""
        count, rows, columns = self.source.shape
        return (count, rows // self.factor, columns // self.factor)

    def __getitem__(self, index: Any, /) -> NDArray[np.float32]:
        """The amplitudes at `index`."""
        counts = np.square(np.asarray(self.source[index], dtype=np.float32), dtype=np.float64)
        return np.asarray(np.sqrt(_blocks(counts, self.factor).sum(axis=(-3, -1))), dtype=np.float32)


def crop(
    *, pixels: Annotated[int, Field(ge=8, multiple_of=2, description="detector pixels a side that are kept")]
) -> Callable[[Scan], Scan]:
    """Keep the central detector pixels: object pixels grow by N/n, and positions shrink as much.

    Cropping the detector wave samples the exit wave more coarsely, over the same field, from the same first pixel; so
    the probe is cropped in Fourier space, and a position y becomes y n/N. A known object is resampled likewise.
    """

    def apply(scan: Scan) -> Scan:
        old = scan.pixels
        if pixels > old:
            raise DataError(f"scan '{scan.name}' has {old} pixels a side and cannot be cropped to {pixels}.")
        if pixels == old:
            return scan
        window = _central(old, pixels)
        ratio = pixels / old
        geometry = scan.geometry
        if geometry is not None:
            y, x = geometry.object_pixel_m
            geometry = replace(geometry, object_pixel_m=(y / ratio, x / ratio))
        return replace(
            scan,
            amplitudes=CroppedPatterns(scan.amplitudes, pixels),
            positions=scan.positions * ratio,
            # Orthonormal transforms of both sizes: what falls on the kept pixels keeps its energy.
            probe=_resampled(scan.probe, (pixels, pixels), norm="ortho"),
            truth=None if scan.truth is None else _resampled_object(scan.truth, old, pixels),
            reference=None if scan.reference is None else _resampled_object(scan.reference, old, pixels),
            geometry=geometry,
            bad_pixels=None if scan.bad_pixels is None else _or_none(scan.bad_pixels[window, window]),
        )

    return apply


def bin_pixels(
    *, factor: Annotated[int, Field(ge=2, le=16, description="detector pixels a side that become one")]
) -> Callable[[Scan], Scan]:
    """Sum photon counts over squares of pixels: the object pixel stays, the field of a pattern shrinks to N/factor.

    A bin's centre lies (factor - 1)/2 pixels behind its first one, so the binned pattern is shifted; a linear phase on
    the probe, exp(-i pi (factor - 1) x / N), shifts the prediction alike. A bin with a bad pixel is bad.
    """

    def apply(scan: Scan) -> Scan:
        old = scan.pixels
        new = old // factor
        if old % factor or new % 2 or new < 8:
            raise DataError(
                f"scan '{scan.name}' has {old} pixels a side, which binning by {factor} does not turn into an even "
                "number ≥ 8; crop first."
            )
        window = _central(old, new)
        line = np.exp(-1j * np.pi * (factor - 1) * np.arange(old) / old)
        probe = (scan.probe * line * line[:, None])[window, window]
        lost = 1 - float(np.sum(np.abs(probe) ** 2) / np.sum(np.abs(scan.probe) ** 2))
        if lost > LOST_AT_MOST:
            raise DataError(
                f"scan '{scan.name}': {lost:.0%} of the probe lies outside the central {new} pixels, which is all that "
                f"binning by {factor} leaves; bin less, or apodise the probe."
            )
        bad = scan.bad_pixels
        return replace(
            scan,
            amplitudes=BinnedPatterns(scan.amplitudes, factor),
            probe=with_energy_of(scan.probe, probe),
            bad_pixels=None if bad is None else np.asarray(_blocks(bad, factor).any(axis=(-3, -1))),
        )

    return apply


def _central(old: int, new: int) -> slice:
    first = old // 2 - new // 2
    return slice(first, first + new)


def _blocks(array: NDArray[Any], factor: int) -> NDArray[Any]:
    """(…, N, N) as (…, N/f, f, N/f, f)."""
    side = array.shape[-1] // factor
    return array.reshape(*array.shape[:-2], side, factor, side, factor)


def _or_none(bad: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    return bad if bad.any() else None


def _resampled(array: ComplexArray, shape: tuple[int, int], norm: str) -> ComplexArray:
    """The low frequencies of an array (H, W), sampled on fewer points from the same first one."""
    spectrum = fft.fftshift(fft.fft2(array.astype(np.complex128), norm=norm))
    rows, columns = (_central(old, new) for old, new in zip(array.shape, shape, strict=True))
    return fft.ifft2(fft.ifftshift(spectrum[rows, columns]), norm=norm).astype(np.complex64)  # type: ignore[no-any-return]


def _resampled_object(obj: ComplexArray, old: int, new: int) -> ComplexArray:
    """An object (H, W) on pixels old/new times as large, its first pixel in place."""
    step = old // gcd(old, new)
    # Whole numbers of both pixels; mirrored, because a jump at the border would ring.
    margins = [(0, (-side) % step + step) for side in obj.shape]
    padded = np.pad(obj, margins, mode="symmetric")
    shape = (padded.shape[0] * new // old, padded.shape[1] * new // old)
    coarse = _resampled(padded, shape, norm="forward")
    height, width = (-(-side * new // old) for side in obj.shape)
    return coarse[:height, :width]
