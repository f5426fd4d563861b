"""Scan and object on coarser pixels: who looks at the middle of a detector alone sees the sample less sharply.

An exit wave of N x N pixels whose far field is cut to the central n x n has as wide a field, on n x n pixels that are
`N / n` times as large. What the cut leaves out is scattered by what these pixels do not show.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ptycho_host.data.scan import PatternSource, Scan
from ptycho_host.physics.far_field import far_field, inverse_far_field


@dataclass(frozen=True, slots=True)
class CentralPixels:
    """The central `pixels` x `pixels` of a source's patterns, still read when indexed."""

    source: PatternSource
    pixels: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, pixels, pixels)."""
        return (self.source.shape[0], self.pixels, self.pixels)

    def __getitem__(self, index: Any, /) -> Any:
        """The middle of the patterns at `index`."""
        return _middle(self.source[index], self.pixels)


def coarser(scan: Scan, pixels: int) -> Scan:
    """The scan as a detector of `pixels` x `pixels` sees it, its positions in the larger object pixels.

    Objects that are known (`truth`, `reference`) stay behind, as do arrays that the host has no use for.
    """
    probe = inverse_far_field(_middle(far_field(scan.probe), pixels)).astype(np.complex64)
    return replace(
        scan,
        amplitudes=CentralPixels(scan.amplitudes, pixels),
        positions=scan.positions * (pixels / scan.pixels),
        probe=probe,
        bad_pixels=None if scan.bad_pixels is None else _middle(scan.bad_pixels, pixels),
        truth=None,
        reference=None,
        geometry=None,
        per_pattern={},
        extras={},
    )


def coarser_shape(shape: tuple[int, int], scale: float) -> tuple[int, int]:
    """The smallest canvas (H, W) of pixels `scale` times as large that has all of `shape` on it."""
    height, width = (int(np.ceil((side - 1) / scale)) + 1 for side in shape)
    return height, width


def finer(coarse: NDArray[Any], scale: float, shape: tuple[int, int], *, order: int = 3) -> NDArray[Any]:
    """Real or complex `coarse` (h, w) on pixels `scale` times as small, (H, W), same dtype.

    Splines of `order` between its pixels: cubic ones follow an object, linear ones keep what is nowhere negative so.

    Pixel (y, x) lies where `coarse` has (y, x) / scale; beyond its edge the values go on as they end.
    """
    made: NDArray[Any] = ndimage.affine_transform(
        coarse, np.full(2, 1 / scale), output_shape=shape, order=order, mode="nearest"
    )
    return made


def _middle(patterns: NDArray[Any], pixels: int) -> NDArray[Any]:
    """Patterns (…, N, N) without what lies outside of the central `pixels`: zero frequency stays in the centre."""
    first = patterns.shape[-1] // 2 - pixels // 2
    return patterns[..., first : first + pixels, first : first + pixels]
