"""Stitchers whose patches are shared by several processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_host.contracts import Canvas, PatchBatch, Reconstruction, SharedStitcher
from ptycho_host.physics.patches import extract_patches
from ptycho_host.processes import Processes
from ptycho_host.testing.processes import everywhere
from ptycho_stitchers import grid, synchronised, weighted_mean

PIXELS = 16
ALL: dict[str, Callable[[], Any]] = {
    "grid": grid.build,
    "overlap": weighted_mean.build_overlap,
    "probe_weighted": weighted_mean.build_probe_weighted,
    "synchronised": synchronised.build,
}


@pytest.fixture(scope="module")
def probe() -> NDArray[np.complex64]:
    y, x = np.mgrid[:PIXELS, :PIXELS] - PIXELS / 2 + 0.5
    return (10 * np.exp(-(y**2 + x**2) / 18 + 0.02j * (y**2 + x**2))).astype(np.complex64)


@pytest.fixture(scope="module")
def batch() -> PatchBatch:
    """Patches of a random object on a raster of whole pixels, each with a constant phase of its own, row by row."""
    rng = np.random.default_rng(0)
    obj = rng.normal(1, 0.2, (48, 48)) * np.exp(1j * rng.normal(0, 0.5, (48, 48)))
    line = np.arange(PIXELS / 2, 48 - PIXELS / 2 + 1, 4)
    positions = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    phases = np.exp(1j * rng.uniform(-np.pi, np.pi, len(positions)))
    patches = extract_patches(obj, positions, PIXELS) * phases[:, None, None]
    return PatchBatch(patches.astype(np.complex64), positions)


def stitch(build: Callable[[], Any], batch: PatchBatch, probe: NDArray[Any], processes: Processes) -> Reconstruction:
    """As the host does it, seven patches at a time."""
    stitcher = build()
    stitcher.begin(Canvas((48, 48), batch.positions), probe)
    seen = slice(0, len(batch.patches))
    if processes.world > 1:
        assert isinstance(stitcher, SharedStitcher)
        seen = stitcher.share(processes.stretch(len(batch.patches)), processes.total)
    while True:
        for first in range(seen.start, seen.stop, 7):
            part = slice(first, min(first + 7, seen.stop))
            stitcher.add(PatchBatch(batch.patches[part], batch.positions[part]))
        if not stitcher.another_pass():
            return stitcher.finish()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("world", [2, 3])
def test_shared_patches_make_the_object_that_one_process_makes(
    name: str, world: int, batch: PatchBatch, probe: NDArray[np.complex64]
) -> None:
    alone = stitch(ALL[name], batch, probe, Processes())
    shared = everywhere(world, lambda mine: stitch(ALL[name], batch, probe, mine))
    assert np.abs(alone.object).max() > 1
    for reconstruction in shared:
        # Single precision, summed in another order.
        np.testing.assert_allclose(reconstruction.object, alone.object, atol=2e-5)
        np.testing.assert_allclose(reconstruction.coverage, alone.coverage, atol=1e-6)
        assert reconstruction.notes == alone.notes


def test_synchronised_asks_for_the_neighbours_before_its_stretch(
    batch: PatchBatch, probe: NDArray[np.complex64]
) -> None:
    stitcher = synchronised.build(neighbours=8)
    stitcher.begin(Canvas((48, 48), batch.positions), probe)
    second = Processes(1, 2).stretch(len(batch.patches))
    wanted = stitcher.share(second, Processes().total)
    assert wanted.stop == second.stop
    # The raster has nine columns; a neighbour lies one row and one column before, at the border up to two rows.
    assert 10 <= second.start - wanted.start <= 18
