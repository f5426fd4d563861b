"""One pass of a trained generator over a scan."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ptycho_host.contracts import PatchBatch
from ptycho_torch.isolation import own_threads
from ptycho_torch.patterns import PatternFeed


def predict_patches(
    network: torch.nn.Module, feed: PatternFeed, batch: int, threads: int | None
) -> Iterator[PatchBatch]:
    """Patches in model units of all patterns, `batch` at a time, in the order of the scan."""
    network.eval()
    for first in range(0, feed.scan.count, batch):
        indices = slice(first, min(first + batch, feed.scan.count))
        with torch.inference_mode(), own_threads(threads):
            patches = network(feed.amplitude(indices), feed.probe).squeeze(1).to(torch.complex64)
        yield PatchBatch(patches.cpu().numpy(), feed.scan.positions[indices])
