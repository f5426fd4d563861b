"""What the patches of neighbouring patterns say together.

A single pattern says nothing about its patch's constant phase and little about slow variations. Patches that
overlap must agree, and the patch of the merged object must still explain its pattern: that fixes both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_contrib_tf.library import tf
from ptycho_contrib_tf.patches import (
    canvas_coordinates,
    canvas_side,
    cubic_kernel,
    interpolation_matrices,
    spreading_kernel,
    transform,
)
from ptycho_contrib_tf.physics import unit
from ptycho_host.physics.patches import corners_and_fractions

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

    def __init__(
        self, probe: NDArray[np.complexfloating[Any, Any]], positions: NDArray[np.float64], reach: float
    ) -> None:
        """Fix the box and the canvas, so that all steps of a run have one shape.

        probe: (N, N) complex. positions: (M, 2) (y, x) of the scan. reach: the farthest that two positions of a
        group may lie apart along an axis, object pixels.
        """
        intensity = np.abs(probe) ** 2
        pixels = probe.shape[-1]
        top, left, self._pixels = _lit_box(intensity)
        self._rows = slice(top, top + self._pixels)
        self._columns = slice(left, left + self._pixels)
        self._margins = [
            [0, 0],
            [0, 0],
            [top, pixels - top - self._pixels],
            [left, pixels - left - self._pixels],
        ]
        self._intensity = intensity[self._rows, self._columns]
        self._positions = positions + np.array([top, left]) + (self._pixels - pixels) / 2
        self._side = canvas_side(reach, self._pixels)
        self._between_pixels = bool(corners_and_fractions(self._positions, self._pixels)[1].any())

    def coordinates(self, groups: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Where the members of `groups` (…, K) lie on their groups' canvases, (…, K, 2): what the merger needs."""
        return canvas_coordinates(self._positions[groups], self._pixels)

    def __call__(self, patches: tf.Tensor, coordinates: tf.Tensor) -> tf.Tensor:
        """Consistent patches (G, K, N, N) from independent ones (G, K, N, N); each keeps its constant phase.

        coordinates: (G, K, 2) of the same groups; raises ValueError when there are more or fewer of them than patches.
        """
        if patches.shape[:2] != coordinates.shape[:2] or coordinates.shape[2:] != (2,):
            raise ValueError(
                f"patches {tuple(patches.shape)} and coordinates {tuple(coordinates.shape)} must be "
                "(G, K, N, N) and (G, K, 2) of the same groups"
            )
        own = patches[..., self._rows, self._columns]
        first = tf.cast(coordinates, own.dtype.real_dtype)
        intensity = tf.constant(self._intensity, dtype=own.dtype.real_dtype)
        cut_rows, cut_columns = self._matrices(first, cubic_kernel)
        rows, columns = self._matrices(first, spreading_kernel) if self._between_pixels else (cut_rows, cut_columns)
        rows, columns = tf.linalg.matrix_transpose(rows), tf.linalg.matrix_transpose(columns)

        placed = transform(rows, tf.cast(intensity, own.dtype) * own, columns)
        weight = tf.reduce_sum(transform(rows, intensity, columns), axis=1)
        weight = tf.cast(tf.maximum(weight, NOWHERE * tf.reduce_max(weight)), own.dtype)
        phase = relative_phases(tf.stop_gradient(placed))[..., None, None]
        merged = tf.reduce_sum(tf.math.conj(phase) * placed, axis=1) / weight
        if self._between_pixels:
            # Interpolating there and back smooths; one step of Richardson's iteration brings most of it back.
            lost = tf.math.conj(phase) * own - transform(cut_rows, merged[:, None], cut_columns)
            merged += tf.reduce_sum(transform(rows, tf.cast(intensity, own.dtype) * lost, columns), axis=1) / weight
        return patches + tf.pad(phase * transform(cut_rows, merged[:, None], cut_columns) - own, self._margins)

    def _matrices(self, first: tf.Tensor, kernel: Callable[[tf.Tensor], tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        return (
            interpolation_matrices(first[..., 0], self._pixels, self._side, kernel),
            interpolation_matrices(first[..., 1], self._pixels, self._side, kernel),
        )


def relative_phases(placed: tf.Tensor) -> tf.Tensor:
    """Constant phase factors (G, K), modulus 1, that bring the weighted patches (G, K, M, M) of a group into agreement.

    exp(-i phi_k) O_k agree best when the phases follow the leading eigenvector of V_kl = sum O_k O_l* (Singer, Appl.
    Comput. Harmon. Anal. 30 (2011), section 2). A few power iterations find it, V being positive; members that
    overlap with no other keep their phase.
    """
    groups, members = placed.shape[:2]
    flat = tf.reshape(placed, (groups, members, -1))
    overlap = tf.matmul(flat, flat, adjoint_b=True)
    phase = unit(overlap[..., :1])
    for _ in range(POWER_ITERATIONS):
        phase = unit(tf.matmul(overlap, phase))
    return phase[..., 0]


def _lit_box(intensity: NDArray[np.floating[Any]]) -> tuple[int, int, int]:
    """Top, left and side of the smallest square box that holds every lit pixel."""
    lit = intensity > LIT * intensity.max()
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    side = 1 + max(int(rows[-1]) - top, int(columns[-1]) - left)
    limit = intensity.shape[-1] - side
    return min(top, limit), min(left, limit), side
