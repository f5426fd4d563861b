"""Bad pixels: from a file, or found in the patterns themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import maximum_filter

from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.formats.archive import single_array
from ptycho_host.data.patterns import blocks
from ptycho_host.data.scan import BoolArray, PatternSource, Scan
from ptycho_host.errors import DataError
from ptycho_host.physics.bad_pixels import without_bad_pixels


@dataclass(frozen=True, slots=True)
class MaskedPatterns:
    """Patterns that hold zero at their bad pixels."""

    source: PatternSource
    bad_pixels: BoolArray

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, N, N)."""
        return self.source.shape

    def __getitem__(self, index: Any, /) -> NDArray[np.float32]:
        """The amplitudes at `index`."""
        return without_bad_pixels(np.asarray(self.source[index], dtype=np.float32), self.bad_pixels)


def mask(
    *, file: Annotated[Path, Field(description="an .npy file (N, N), true or not zero where a pixel is bad")]
) -> Callable[[Scan], Scan]:
    """Mark the pixels of a mask as bad, beside those that are."""

    def apply(scan: Scan) -> Scan:
        stored = single_array(file)
        bad = ScanChecker(str(file)).bad_pixels(stored, "the mask", scan.pixels)
        return scan if bad is None else _with(scan, bad)

    return apply


def mask_above(
    *, counts: Annotated[float, Field(gt=0, description="photon counts that no good pixel ever exceeds")]
) -> Callable[[Scan], Scan]:
    """Mark pixels as bad that hold more than so many counts in any pattern: saturated or hot ones."""
    return lambda scan: _with(scan, _brightest(scan) > counts)


def mask_hot(
    *, factor: Annotated[float, Field(gt=1, description="how many times brighter than all eight around it")] = 100.0
) -> Callable[[Scan], Scan]:
    """Mark pixels as bad that are far brighter than all around them, summed over the scan."""

    def apply(scan: Scan) -> Scan:
        total = _total(scan)
        around = np.ones((3, 3), dtype=bool)
        around[1, 1] = False
        hot = (total > factor * maximum_filter(total, footprint=around)) & (total > factor * np.median(total))
        return _with(scan, np.asarray(hot))

    return apply


def mask_dead() -> Callable[[Scan], Scan]:
    """Mark pixels as bad that never saw a photon though all eight around them did."""

    def apply(scan: Scan) -> Scan:
        seen = _total(scan) > 0
        # All but the middle one: a group of dead pixels counts from its border inwards, so those pass to a file.
        neighbours = sum(
            np.roll(seen, (rows, columns), axis=(0, 1))
            for rows in (-1, 0, 1)
            for columns in (-1, 0, 1)
            if rows or columns
        )
        return _with(scan, np.asarray(~seen & (neighbours == 8)))

    return apply


def _with(scan: Scan, bad: BoolArray) -> Scan:
    together = bad if scan.bad_pixels is None else bad | scan.bad_pixels
    if together.all():
        raise DataError(f"scan '{scan.name}': every pixel would be bad; use a milder threshold.")
    if not together.any():
        return scan
    return replace(scan, amplitudes=MaskedPatterns(scan.amplitudes, together), bad_pixels=together)


def _brightest(scan: Scan) -> NDArray[np.float64]:
    """Largest count of each pixel (N, N)."""
    parts = [scan.batch(part).max(axis=0) for part in blocks(scan.count, scan.pixels)]
    return np.asarray(np.square(np.max(parts, axis=0), dtype=np.float64))


def _total(scan: Scan) -> NDArray[np.float64]:
    """Counts of each pixel (N, N), summed over the scan."""
    total = np.zeros((scan.pixels, scan.pixels))
    for part in blocks(scan.count, scan.pixels):
        total += np.square(scan.batch(part), dtype=np.float64).sum(axis=0)
    return total
