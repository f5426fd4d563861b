"""Where a reconstruction may be judged: the rectangle of the object that the scan lit well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ptycho_host.data.scan import Scan
from ptycho_host.errors import DataError
from ptycho_host.physics.illumination import illumination, well_covered

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of object pixels; `rows` and `columns` are (start, stop), stop excluded."""

    rows: tuple[int, int]
    columns: tuple[int, int]

    @classmethod
    def whole(cls, shape: tuple[int, ...]) -> Region:
        """All of an object of `shape` (H, W)."""
        return cls((0, shape[0]), (0, shape[1]))

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index that cuts the rectangle out of an object (H, W)."""
        return slice(*self.rows), slice(*self.columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in object pixels."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    def as_json(self) -> dict[str, Any]:
        """`{"rows": [start, stop], "columns": [start, stop]}`."""
        return {"rows": list(self.rows), "columns": list(self.columns)}


def covered_pixels(scan: Scan, shape: tuple[int, int] | None = None) -> Mask:
    """Object pixels (H, W) that the scan lights well, bool; `shape` is the scan's canvas unless given."""
    return well_covered(illumination(scan.positions, scan.probe, shape or scan.canvas_shape()))


def covered_region(covered: Mask) -> Region:
    """Largest rectangle inside the covered pixels (H, W), their enclosed holes counted as covered.

    A sparse raster leaves small dark holes between its discs: they must not cut the region to pieces, and
    `object_metrics` leaves them out again. Raises DataError when nothing is covered.
    """
    return largest_rectangle(ndimage.binary_fill_holes(covered))


def largest_rectangle(mask: Mask) -> Region:
    """Largest axis-aligned rectangle of True pixels in the mask (H, W); raises DataError when there is none.

    Row by row, each pixel keeps the height of the True run above it and how far that run can be widened to
    the left and to the right: O(H W).
    """
    columns = np.arange(mask.shape[1])
    height = np.zeros(mask.shape[1], dtype=np.int64)
    left = np.zeros_like(height)
    right = np.full_like(height, mask.shape[1])
    best_area, best = 0, None
    for row, lit in enumerate(mask):
        run_starts = np.maximum.accumulate(np.where(lit, 0, columns + 1))
        run_stops = np.minimum.accumulate(np.where(lit, mask.shape[1], columns)[::-1])[::-1]
        height = np.where(lit, height + 1, 0)
        left = np.where(lit, np.maximum(left, run_starts), 0)
        right = np.where(lit, np.minimum(right, run_stops), mask.shape[1])
        area = height * (right - left)
        widest = int(area.argmax())
        if area[widest] > best_area:
            best_area = int(area[widest])
            best = Region((row + 1 - int(height[widest]), row + 1), (int(left[widest]), int(right[widest])))
    if best is None:
        raise DataError("no pixel of the object is lit: are the positions on the object, is the probe zero?")
    return best
