"""One pass of a trained generator over a scan."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_host.contracts import PatchBatch
from ptycho_torch.isolation import own_threads
from ptycho_torch.patterns import PatternFeed


def predict_patches(
    network: torch.nn.Module, feed: PatternFeed, groups: NDArray[np.int64], batch: int, threads: int | None
) -> Iterator[PatchBatch]:
    """Patches in model units of the first pattern of all `groups` (M, C), `batch` at a time."""
    network.eval()
    batches = [groups[first : first + batch] for first in range(0, len(groups), batch)]
    for seen, amplitude in zip(batches, feed.stream(batches), strict=True):
        with torch.inference_mode(), own_threads(threads):
            patches = network(amplitude, feed.probe, feed.bad_pixels)[:, 0].to(torch.complex64)
        yield PatchBatch(patches.cpu().numpy(), feed.scan.positions[seen[:, 0]])
