"""One pass of a trained generator over a scan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from ptycho_contrib_tf.devices import Devices
from ptycho_contrib_tf.forward import Forward
from ptycho_contrib_tf.isolation import own_gradients
from ptycho_contrib_tf.patterns import PatternFeed
from ptycho_host.contracts import PatchBatch
from ptycho_host.data.streaming import read_ahead


def predict_patches(
    forward: Forward, feed: PatternFeed, groups: NDArray[np.int64], devices: Devices
) -> Iterator[PatchBatch]:
    """Patches in model units of the first pattern of all `groups` (M, C), batch after batch."""
    batches = [groups[first : first + forward.batch] for first in range(0, len(groups), forward.batch)]
    with closing(read_ahead(feed.amplitude, batches)) as amplitudes:
        for seen, amplitude in zip(batches, amplitudes, strict=True):
            # Not around the yield: what the caller does between two batches is its own affair.
            with devices.first(), own_gradients():
                patches = forward(amplitude)[:, 0]
            yield PatchBatch(patches, feed.scan.positions[seen[:, 0]])
