"""What the patches of neighbouring patterns say together.

A single pattern says nothing about its patch's constant phase and little about slow variations. Patches that
overlap must agree, and the patch of the merged object must still explain its pattern: that fixes both.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ptycho_host.physics.patches import corners_and_fractions
from ptycho_torch.patches import (
    canvas_coordinates,
    canvas_side,
    cubic_kernel,
    interpolation_matrices,
    spreading_kernel,
)

LIT = 1e-4
"""Intensity, as a fraction of the largest, from which a pixel counts as lit."""
NOWHERE = 1e-6
"""Weight on the canvas, as a fraction of the largest, that stands in for none at all."""
POWER_ITERATIONS = 8


class GroupMerger:
    """Replaces the patches of each group by those of the one object that they agree upon.

    The merged object is sum_k |P|^2 exp(-i phi_k) O_k / sum_k |P|^2 on the group's own small canvas. Only the square
    box that the probe lights takes part; outside it every patch keeps its own values.
    """

    def __init__(self, probe: Tensor, positions: NDArray[np.float64], reach: float) -> None:
        """Fix the box and the canvas, so that all steps of a run have one shape.

        probe: (N, N) complex. positions: (M, 2) (y, x) of the scan. reach: the farthest that two positions of a
        group may lie apart along an axis, object pixels.
        """
        intensity = probe.abs().square()
        pixels = probe.shape[-1]
        top, left, self._pixels = _lit_box(intensity)
        self._rows = slice(top, top + self._pixels)
        self._columns = slice(left, left + self._pixels)
        self._margins = (left, pixels - left - self._pixels, top, pixels - top - self._pixels)
        self._intensity = intensity[self._rows, self._columns]
        self._positions = positions + np.array([top, left]) + (self._pixels - pixels) / 2
        self._side = canvas_side(reach, self._pixels)
        self._between_pixels = bool(corners_and_fractions(self._positions, self._pixels)[1].any())

    def __call__(self, patches: Tensor, groups: NDArray[np.int64]) -> Tensor:
        """Consistent patches (G, K, N, N) from independent ones (G, K, N, N); each keeps its constant phase."""
        own = patches[..., self._rows, self._columns]
        first = torch.from_numpy(canvas_coordinates(self._positions[groups], self._pixels)).to(self._intensity)
        cut_rows, cut_columns = self._matrices(first, cubic_kernel)
        rows, columns = self._matrices(first, spreading_kernel) if self._between_pixels else (cut_rows, cut_columns)

        def place(weighted: Tensor) -> Tensor:
            return rows.mT.to(weighted.dtype) @ weighted @ columns.to(weighted.dtype)

        def cut(canvas: Tensor) -> Tensor:
            return cut_rows.to(canvas.dtype) @ canvas[:, None] @ cut_columns.mT.to(canvas.dtype)

        placed = place(self._intensity * own)
        weight = place(self._intensity).sum(dim=1)
        weight = weight.clamp_min(NOWHERE * weight.max())
        phase = relative_phases(placed.detach())[..., None, None]
        merged = (phase.conj() * placed).sum(dim=1) / weight
        if self._between_pixels:
            # Interpolating there and back smooths; one step of Richardson's iteration brings most of it back.
            lost = self._intensity * (phase.conj() * own - cut(merged))
            merged = merged + place(lost).sum(dim=1) / weight
        return patches + functional.pad(phase * cut(merged) - own, self._margins)

    def _matrices(self, first: Tensor, kernel: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        return (
            interpolation_matrices(first[..., 0], self._pixels, self._side, kernel),
            interpolation_matrices(first[..., 1], self._pixels, self._side, kernel),
        )


def relative_phases(placed: Tensor) -> Tensor:
    """Constant phase factors (G, K), modulus 1, that bring the weighted patches (G, K, M, M) of a group into agreement.

    exp(-i phi_k) O_k agree best when the phases follow the leading eigenvector of V_kl = sum O_k O_l* (Singer, Appl.
    Comput. Harmon. Anal. 30 (2011), section 2). A few power iterations find it, V being positive; members that
    overlap with no other keep their phase.
    """
    flat = placed.flatten(start_dim=2)
    overlap = flat @ flat.mH
    phase = _unit(overlap[..., :1])
    for _ in range(POWER_ITERATIONS):
        phase = _unit(overlap @ phase)
    return phase[..., 0]


def _unit(values: Tensor) -> Tensor:
    return torch.polar(torch.ones_like(values.real), values.angle())


def _lit_box(intensity: Tensor) -> tuple[int, int, int]:
    """Top, left and side of the smallest square box that holds every lit pixel."""
    lit = intensity > LIT * intensity.max()
    rows, columns = lit.any(dim=1).nonzero(), lit.any(dim=0).nonzero()
    top, left = int(rows.min()), int(columns.min())
    side = 1 + max(int(rows.max()) - top, int(columns.max()) - left)
    limit = intensity.shape[-1] - side
    return min(top, limit), min(left, limit), side
