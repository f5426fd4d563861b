"""Tiles cut from the centres of the patches of a raster scan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ptycho_host.contracts import Canvas, PatchBatch, Reconstruction
from ptycho_host.errors import InputError
from ptycho_host.physics.patches import corners_and_fractions
from ptycho_host.processes import Processes, Total

REMEDY = "use 'overlap', 'probe_weighted' or 'synchronised' for such a scan."


class GridStitcher:
    """Lays the centre of each patch, as large as the raster's step, beside its neighbours'; no pixel is averaged.

    Of a patch of N pixels the border ceil((N - step) / 2) before and floor((N - step) / 2) behind is cut off.
    """

    def begin(self, canvas: Canvas, probe: NDArray[np.complex64]) -> None:
        """Empty the canvas; raises InputError unless the positions are a raster of whole pixels."""
        pixels = probe.shape[-1]
        corners, fractions = corners_and_fractions(canvas.positions, pixels)
        if fractions.any():
            raise InputError(f"stitcher 'grid' needs positions on whole object pixels: {REMEDY}")
        self._tile = tuple(_raster_step(corners[:, axis], pixels) for axis in (0, 1))
        self._border = tuple(-((step - pixels) // 2) for step in self._tile)
        self._pixels = pixels
        self._object = np.zeros(canvas.shape, dtype=np.complex64)
        self._coverage = np.zeros(canvas.shape, dtype=np.float32)
        self._total = Processes().total

    def share(self, stretch: slice, total: Total) -> slice:
        """The patches of `stretch` alone."""
        self._total = total
        return stretch

    def add(self, batch: PatchBatch) -> None:
        """Take patches, in any order."""
        (height, width), (top, left) = self._tile, self._border
        tiles = batch.patches[:, top : top + height, left : left + width]
        corners, _ = corners_and_fractions(batch.positions, self._pixels)
        for (y, x), tile in zip((corners + self._border).tolist(), tiles, strict=True):
            self._object[y : y + height, x : x + width] = tile
            self._coverage[y : y + height, x : x + width] = 1

    def another_pass(self) -> bool:
        """Never."""
        return False

    def finish(self) -> Reconstruction:
        """The tiles laid so far; where processes laid one each at the same place, their mean."""
        layers = self._total(self._coverage)
        return Reconstruction(self._total(self._object) / np.maximum(layers, 1), np.minimum(layers, 1))


def build() -> GridStitcher:
    """Tile the patches of a raster scan."""
    return GridStitcher()


def _raster_step(coordinates: NDArray[np.int64], pixels: int) -> int:
    """The one distance between successive coordinates of an axis; a whole patch if there is but one coordinate."""
    distances = np.unique(np.diff(np.unique(coordinates)))
    if len(distances) == 0:
        return pixels
    if len(distances) > 1 or distances[0] > pixels:
        raise InputError(
            f"stitcher 'grid' needs a regular raster whose step is at most the patch's {pixels} pixels, "
            f"not steps of {', '.join(map(str, distances[:5]))}: {REMEDY}"
        )
    return int(distances[0])
