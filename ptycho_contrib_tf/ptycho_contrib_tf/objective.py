"""What training lowers: how badly patches explain their patterns, one by one and together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ptycho_contrib_tf.consistency import GroupMerger
from ptycho_contrib_tf.library import tf
from ptycho_contrib_tf.physics import diffraction_amplitude
from ptycho_host.config import TrainOptions
from ptycho_host.contracts import ForwardResult, Measurement, WeightedLoss


class Objective:
    """The weighted losses of single patterns and of groups."""

    def __init__(
        self,
        losses: Sequence[WeightedLoss],
        options: TrainOptions,
        merger: GroupMerger | None = None,
        bad_pixels: NDArray[np.bool_] | None = None,
    ) -> None:
        """Without a `merger` every pattern stands for itself; `bad_pixels` (N, N) are those of the scan."""
        self._losses = losses
        self._options = options
        self._merger = merger
        self._bad_pixels = bad_pixels

    def of_patterns(self, patches: tf.Tensor, measured: Measurement, probe: tf.Tensor) -> tf.Tensor:
        """Loss of patches (B, C, N, N), each with its own pattern; bad pixels count as predicted, whatever the loss."""
        amplitude = diffraction_amplitude(patches, probe)
        if self._bad_pixels is not None:
            amplitude = tf.where(self._bad_pixels, measured.amplitude, amplitude)
        predicted = ForwardResult(amplitude, measured.intensity_scale, object_patches=patches, probe=probe)
        return tf.add_n([term.weight * term.loss(predicted, measured) for term in self._losses])

    def of_groups(
        self, patches: tf.Tensor, measured: Measurement, probe: tf.Tensor, coordinates: tf.Tensor | None
    ) -> tf.Tensor:
        """Loss of the patches (G·K/C, C, N, N) of G groups of K: of the merged object and of each patch alone.

        coordinates: (G, K, 2) as `GroupMerger.coordinates` gives them; None without a merger.
        """
        single = self.of_patterns(patches, measured, probe)
        if self._merger is None or coordinates is None:
            return single
        # Patches that do not make up whole groups have no such shape.
        grouped = tf.reshape(patches, (*coordinates.shape[:2], *patches.shape[-2:]))
        merged = tf.reshape(self._merger(grouped, coordinates), patches.shape)
        together = self.of_patterns(merged, measured, probe)
        return self._options.group_weight * together + self._options.pattern_weight * single
