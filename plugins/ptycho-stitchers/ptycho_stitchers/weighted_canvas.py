"""The weighted mean of overlapping patches and their spread about it, taken on the fly."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ptycho_host.contracts import PatchBatch, PatchSpread, Reconstruction
from ptycho_host.processes import Total
from ptycho_stitchers.canvas_sums import CanvasSums
from ptycho_stitchers.devices import in_memory, left_to_torch, library_of
from ptycho_stitchers.spread import TERMS, patch_spread
from ptycho_stitchers.window import Window

LEAST_COVERAGE = 5e-3
"""Where the summed weight is a smaller part of its maximum the object is left zero."""
MAPS = 6
"""What comes of the sums: the object's two parts, its coverage, and the three maps of the patches' spread."""
AT_ONCE = 2**18
"""Pixels that are reckoned with at a time, which bounds the memory of what is in between."""


class _Sums(Protocol):
    def add(self, batch: Any) -> None: ...

    def planes(self) -> Any: ...


class WeightedCanvas:
    """Adds up weighted patches and their products where they are, in memory or on a device.

    The quotient of the sums is the object; the products tell how far the patches lie apart.
    """

    def __init__(self, shape: tuple[int, int], window: Window) -> None:
        self._shape = shape
        self._window = window
        self._sums: _Sums | None = None

    def add(self, batch: PatchBatch) -> None:
        """Take patches at sub-pixel positions; what falls outside the canvas is lost."""
        if self._sums is None:
            self._sums = self._sums_for(batch)
        self._sums.add(batch)

    def reconstruction(self, notes: tuple[str, ...] = (), total: Total | None = None) -> Reconstruction:
        """The object so far, its coverage, and the spread of the patches; `total` takes in those of other processes."""
        planes = (self._sums or CanvasSums(self._shape, self._window)).planes()
        if total is not None:
            planes = total(np.ascontiguousarray(in_memory(planes)))
        peak = max(float(planes[TERMS - 1].max()), float(np.finfo(np.float32).tiny))
        height, width = self._shape
        maps = np.empty((MAPS, height, width), dtype=np.float32)
        rows = max(1, AT_ONCE // width)
        for band in (slice(first, first + rows) for first in range(0, height, rows)):
            maps[:, band] = in_memory(_mean_and_spread(planes[:, band], peak))
        real, imaginary, coverage, *spread = maps
        obj = np.empty(self._shape, dtype=np.complex64)
        obj.real, obj.imag = real, imaginary
        return Reconstruction(obj, coverage, notes, spread=PatchSpread(*spread))

    def _sums_for(self, batch: PatchBatch) -> _Sums:
        if left_to_torch(batch):
            from ptycho_stitchers.tensor_sums import TensorSums

            return TensorSums(self._shape, self._window, batch.tensor.device)
        return CanvasSums(self._shape, self._window)


def _mean_and_spread(planes: Any, peak: float) -> Any:
    """Real and imaginary part of the mean, coverage, spread along and across, and patches, of sums (9, H, W).

    Arrays or tensors: where the sums are. peak: the largest sum of weights on the whole canvas.
    """
    library = library_of(planes)
    real, imaginary, weight = planes[:TERMS]
    # Cubic interpolation undershoots beside the edge of a weight, so a sum may even be negative there.
    covered = weight > LEAST_COVERAGE * peak
    weight = library.where(covered, weight, 0.0)
    divisor = library.where(covered, weight, 1.0)
    real, imaginary = (library.where(covered, part / divisor, 0.0) for part in (real, imaginary))
    return library.stack([real, imaginary, weight / peak, *patch_spread(real, imaginary, weight, planes[TERMS:])])
