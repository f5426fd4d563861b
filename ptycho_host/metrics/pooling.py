"""Means over neighbouring pixels, of which some are not known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ptycho_host.metrics.region import Mask

STEP = 0.6
"""Spacing of the grid of means in widths of the Gaussian: over so little they hardly change."""
LEAST_NEAR = 0.05
"""With a smaller part of known pixels around it, nothing is known of a pixel."""


class Pool:
    """The mean over known pixels nearby, weighted with a Gaussian, on a grid as coarse as that allows."""

    def __init__(self, known: Mask, width: float) -> None:
        """known: (H, W). width: standard deviation of the Gaussian in pixels."""
        self._known = known
        self._step = max(1, round(STEP * width))
        self._width = width / self._step
        self._near = self._blurred(known.astype(np.float32))

    def coarse(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Means of values (H, W) on the grid; NaN where nearly nothing is known."""
        total = self._blurred(np.where(self._known, values, 0).astype(np.float32, copy=False))
        return np.divide(total, self._near, out=np.full_like(total, np.nan), where=self._near > LEAST_NEAR)

    def fine(self, means: NDArray[np.float32]) -> NDArray[np.float32]:
        """Those of the grid on all pixels (H, W)."""
        height, width = self._known.shape
        return means.repeat(self._step, axis=0)[:height].repeat(self._step, axis=1)[:, :width]

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Means of values (H, W) on all pixels."""
        return self.fine(self.coarse(values))

    def _blurred(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sums over the pixels of each point of the grid, blurred."""
        beyond = [(0, -length % self._step) for length in values.shape]
        if any(after for _, after in beyond):
            values = np.pad(values, beyond)
        lines = np.sum([values[first :: self._step] for first in range(self._step)], axis=0)
        sums = np.sum([lines[:, first :: self._step] for first in range(self._step)], axis=0)
        return np.asarray(gaussian_filter(sums, self._width, mode="constant"))
