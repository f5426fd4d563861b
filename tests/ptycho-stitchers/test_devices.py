"""Patches that an engine left on its device make the object that they make in memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ptycho_host.contracts import Canvas, DeviceBatch, PatchBatch, PatchStitcher, Reconstruction
from ptycho_host.processes import Processes
from ptycho_host.testing.processes import everywhere
from ptycho_stitchers import canvas_sums, grid, overlap_ring, synchronised, weighted_mean

PIXELS, SHAPE = 16, (60, 52)
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
STITCHERS = [weighted_mean.build_overlap, weighted_mean.build_probe_weighted, synchronised.build]


def probe() -> NDArray[np.complex64]:
    y, x = np.mgrid[:PIXELS, :PIXELS] - PIXELS / 2 + 0.5
    return (10 * np.exp(-(y**2 + x**2) / 18 + 0.02j * (y**2 + x**2))).astype(np.complex64)


def patches_of_a_raster(*, whole: bool) -> PatchBatch:
    """Random patches, some of which reach beyond the canvas and some of which lie wholly outside."""
    rng = np.random.default_rng(0)
    axes = np.arange(-2, 70, 5.0), np.arange(0, 60, 4.0)
    positions = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    positions = np.concatenate([positions, [[200.0, 20.0], [-90.0, 7.0], [30.0, -50.0]]])
    if not whole:
        positions = positions + rng.uniform(-0.5, 0.5, positions.shape)
    patches = 1 + 0.1 * rng.standard_normal((len(positions), PIXELS, PIXELS, 2)) @ [1, 1j]
    return PatchBatch(patches.astype(np.complex64), positions)


def left_on(device: str, patches: NDArray[np.complex64], positions: NDArray[np.float64]) -> DeviceBatch:
    return DeviceBatch(torch.from_numpy(patches).to(device), positions, lambda tensor: tensor.cpu().numpy())


def stitch(stitcher: PatchStitcher, patches: PatchBatch, device: str | None, mine: Processes) -> Reconstruction:
    stitcher.begin(Canvas(SHAPE, patches.positions), probe())
    count = len(patches.positions)
    seen = stitcher.share(mine.stretch(count), mine.total) if mine.world > 1 else slice(0, count)
    while True:
        for first in range(seen.start, seen.stop, 50):
            part = slice(first, min(first + 50, seen.stop))
            arrays = patches.patches[part], patches.positions[part]
            stitcher.add(PatchBatch(*arrays) if device is None else left_on(device, *arrays))
        if not stitcher.another_pass():
            return stitcher.finish()


def assert_same(found: Reconstruction, due: Reconstruction) -> None:
    np.testing.assert_allclose(found.object, due.object, atol=2e-5)
    np.testing.assert_allclose(found.coverage, due.coverage, atol=1e-5)
    assert found.notes == due.notes
    assert found.spread is not None
    assert due.spread is not None
    np.testing.assert_allclose(found.spread.patches, due.spread.patches, rtol=1e-3)
    for name in ("along", "across"):
        np.testing.assert_allclose(getattr(found.spread, name), getattr(due.spread, name), atol=1e-3)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("build", STITCHERS)
def test_the_object_is_that_of_patches_in_memory(build, whole, device):
    patches = patches_of_a_raster(whole=whole)
    due = stitch(build(), patches, None, Processes())
    assert 0.9 < np.abs(due.object[20:40, 20:40]).mean() < 1.1
    assert_same(stitch(build(), patches, device, Processes()), due)


@pytest.mark.parametrize("build", STITCHERS)
def test_processes_may_share_them(build):
    patches = patches_of_a_raster(whole=False)
    due = stitch(build(), patches, None, Processes())
    for found in everywhere(3, lambda mine: stitch(build(), patches, "cpu", mine)):
        assert_same(found, due)


def test_a_stitcher_that_knows_of_no_device_asks_for_the_array():
    line = np.arange(PIXELS / 2, 45, 6.0)
    positions = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    patches = PatchBatch(
        np.random.default_rng(0).standard_normal((len(positions), 16, 16)).astype(np.complex64), positions
    )
    due, found = (stitch(grid.build(), patches, device, Processes()).object for device in (None, "cpu"))
    np.testing.assert_array_equal(found, due)


@pytest.mark.parametrize("build", STITCHERS)
def test_nothing_is_fetched_on_the_way(build, monkeypatch):
    """That is what it is for."""
    monkeypatch.delattr(canvas_sums.CanvasSums, "add")
    monkeypatch.delattr(overlap_ring.OverlapRing, "add")
    monkeypatch.delattr(DeviceBatch, "patches")
    stitch(build(), patches_of_a_raster(whole=False), "cpu", Processes())
