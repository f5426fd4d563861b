"""The network on any number of patterns, without compiling anew for each number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptycho_contrib_tf.library import tf
from ptycho_contrib_tf.network import PatternNetwork
from ptycho_host.contracts import Bundle


class Forward:
    """The network outside of training, traced once: batches of one size, the last one filled up."""

    def __init__(self, network: PatternNetwork, batch: int, *, xla: bool) -> None:
        """`batch` is the number of groups that are predicted together."""
        self.batch = batch
        shape = (batch, network.shape.channels, network.shape.pixels, network.shape.pixels)
        self.function = tf.function(
            network.__call__, input_signature=[tf.TensorSpec(shape)], jit_compile=xla, autograph=False
        )

    def __call__(self, amplitude: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Patches (V, C, N, N) complex64 in model units from amplitudes (V, C, N, N), any V."""
        patches = np.empty(amplitude.shape, dtype=np.complex64)
        for first in range(0, len(amplitude), self.batch):
            seen = amplitude[first : first + self.batch]
            missing = self.batch - len(seen)
            filled = np.pad(seen, [(0, missing), (0, 0), (0, 0), (0, 0)], mode="edge") if missing else seen
            patches[first : first + self.batch] = self.function(tf.constant(filled)).numpy()[: len(seen)]
        return patches


@dataclass(frozen=True)
class TrainedForward:
    """The network of a bundle, for scans with one probe (N, N) in model units and the same bad pixels (N, N)."""

    bundle: Bundle
    probe: NDArray[np.complex64]
    bad_pixels: NDArray[np.bool_] | None
    forward: Forward

    def serves(self, bundle: Bundle, probe: NDArray[np.complex64], bad_pixels: NDArray[np.bool_] | None) -> bool:
        """Whether it is the network of this very bundle, probe and detector."""
        return (
            self.bundle is bundle
            and np.array_equal(self.probe, probe)
            and (self.bad_pixels is bad_pixels or np.array_equal(self.bad_pixels, bad_pixels))  # type: ignore[arg-type]
        )
