"""One pass of a trained generator over a scan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ptycho_host.contracts import DeviceBatch, PatchBatch
from ptycho_host.physics.illumination import probe_diameter
from ptycho_torch.isolation import own_threads
from ptycho_torch.patterns import PatternFeed


def predict_patches(
    network: torch.nn.Module, feed: PatternFeed, groups: NDArray[np.int64], batch: int, threads: int | None
) -> Iterator[PatchBatch]:
    """Patches in model units of the first pattern of all `groups` (M, C), `batch` at a time."""
    network.eval()
    batches = [groups[first : first + batch] for first in range(0, len(groups), batch)]
    with closing(feed.stream(batches)) as stream:
        for seen, amplitude in zip(batches, stream, strict=True):
            with torch.inference_mode(), own_threads(threads):
                made = network(amplitude, feed.probe, feed.bad_pixels, feed.scan.positions[seen])
                patches = made[:, 0].to(torch.complex64)
            yield _left_there(patches, feed.scan.positions[seen[:, 0]])


def predict_regions(
    network: torch.nn.Module, feed: PatternFeed, patterns: NDArray[np.int64], size: int, threads: int | None
) -> Iterator[PatchBatch]:
    """Patches in model units of `patterns` (M,), cut from regions of `size` of them and those within a probe's reach.

    Memory is that of a region, whatever the length of the scan.
    """
    network.eval()
    scan = feed.scan
    tree, reach = cKDTree(scan.positions), probe_diameter(scan.probe)
    asked = [patterns[first : first + size] for first in range(0, len(patterns), size)]
    regions = [_with_surroundings(tree, part, reach) for part in asked]
    with closing(feed.stream(regions)) as stream:
        for part, region, amplitude in zip(asked, regions, stream, strict=True):
            with torch.inference_mode(), own_threads(threads):
                made = network(amplitude, feed.probe, feed.bad_pixels, scan.positions[region])
                patches = made[0, : len(part)].to(torch.complex64)
            yield _left_there(patches, scan.positions[part])


def _left_there(patches: torch.Tensor, positions: NDArray[np.float64]) -> PatchBatch:
    """The patches where they were made: on a GPU a stitcher may go on with them."""
    if patches.device.type == "cpu":
        return PatchBatch(patches.numpy(), positions)
    return DeviceBatch(patches, positions, _in_memory)


def _in_memory(patches: torch.Tensor) -> NDArray[np.complex64]:
    array: NDArray[np.complex64] = patches.cpu().numpy()
    return array


def _with_surroundings(tree: cKDTree, patterns: NDArray[np.int64], distance: float) -> NDArray[np.int64]:
    """One group (1, K): the patterns, then all others not farther than `distance` from one of them."""
    near = tree.query_ball_point(tree.data[patterns], distance, return_sorted=False)
    around = np.setdiff1d(np.concatenate(near), patterns).astype(np.int64)
    return np.concatenate([patterns, around])[None]
