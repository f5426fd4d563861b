"""Patterns on their way from a scan to the generator."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_contrib_tf.consistency import GroupMerger
from ptycho_contrib_tf.library import tf
from ptycho_host.data.scan import Scan
from ptycho_host.data.streaming import AHEAD
from ptycho_host.physics.intensity import IntensityScale
from ptycho_host.physics.patches import extract_patches

Indices = NDArray[np.int64]

AMPLITUDE = "amplitude"
TRUTH = "truth"
COORDINATES = "coordinates"


@dataclass(frozen=True)
class PatternFeed:
    """Reads patterns of one scan into model units, in the background where the order is known.

    scale: the scan's own (`IntensityScale.of`, or `for_probe` of a trained one). channels: patterns that the generator
    sees at once. truth: the object in model units, to cut true patches from. merger: asks for coordinates of groups.
    """

    scan: Scan
    scale: IntensityScale
    channels: int = 1
    truth: NDArray[np.complex64] | None = None
    merger: GroupMerger | None = None

    def amplitude(self, groups: Indices) -> NDArray[np.float32]:
        """Amplitudes (…, C, N, N) of groups of patterns (…, C)."""
        amplitude = self.scale.model_amplitude(self.scan.batch(groups.ravel()))
        return amplitude.reshape(*groups.shape, *amplitude.shape[1:])

    def true_patches(self, groups: Indices) -> NDArray[np.complex64] | None:
        """True patches (…, C, N, N) of groups of patterns (…, C); None where they are not asked for."""
        if self.truth is None:
            return None
        patches = extract_patches(self.truth, self.scan.positions[groups.ravel()], self.scan.pixels)
        return patches.astype(np.complex64).reshape(*groups.shape, *patches.shape[1:])

    def read(self, batches: Indices) -> dict[str, NDArray[Any]]:
        """All that a step needs of its batches (A, G, K): arrays by name, (A, G·K/C, C, N, N) and (A, G, K, 2)."""
        seen = batches.reshape(len(batches), -1, self.channels)
        arrays: dict[str, NDArray[Any]] = {AMPLITUDE: self.amplitude(seen)}
        truth = self.true_patches(seen)
        if truth is not None:
            arrays[TRUTH] = truth
        if self.merger is not None:
            arrays[COORDINATES] = self.merger.coordinates(batches)
        return arrays

    def stream(self, steps: Indices) -> Generator[dict[str, tf.Tensor]]:
        """What `read` gives for each of the steps (S, A, G, K), a few of them read ahead in the background.

        An error of the scan's source comes out as it is.
        """
        signature = self._signature(*steps.shape[1:])
        failures: list[Exception] = []
        # TensorFlow never forgets a Python function that it was given; so that one must not hold the scan.
        feeds = [self]

        def read(batches: Indices) -> list[NDArray[Any]]:
            try:
                arrays = feeds[0].read(batches)
                return [arrays[name] for name in signature]
            except Exception as failure:
                failures.append(failure)
                raise

        def load(batches: tf.Tensor) -> dict[str, tf.Tensor]:
            dtypes = [spec.dtype for spec in signature.values()]
            tensors = tf.numpy_function(read, [batches], dtypes, stateful=False)
            return {
                name: tf.ensure_shape(tensor, spec.shape)
                for (name, spec), tensor in zip(signature.items(), tensors, strict=True)
            }

        dataset = tf.data.Dataset.from_tensor_slices(steps).map(load, num_parallel_calls=1).prefetch(AHEAD)
        try:
            yield from dataset
        except tf.errors.OpError:
            if failures:
                raise failures[0] from None
            raise
        finally:
            feeds.clear()
            failures.clear()

    def _signature(self, batches: int, groups: int, members: int) -> dict[str, tf.TensorSpec]:
        """Shapes and types of what `read` returns."""
        seen = (batches, groups * members // self.channels, self.channels, self.scan.pixels, self.scan.pixels)
        signature = {AMPLITUDE: tf.TensorSpec(seen, tf.float32)}
        if self.truth is not None:
            signature[TRUTH] = tf.TensorSpec(seen, tf.complex64)
        if self.merger is not None:
            signature[COORDINATES] = tf.TensorSpec((batches, groups, members, 2), tf.float32)
        return signature
