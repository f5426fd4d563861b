"""Patches on their way from an engine to a stitcher: predicted once where they fit into memory, again where not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from ptycho_host import Host
from ptycho_host.configured import configure
from ptycho_host.contracts import Bundle, DeviceBatch, PatchBatch, PatchShape
from ptycho_host.data.scan import Scan
from ptycho_host.physics.intensity import IntensityScale
from ptycho_host.physics.patches import extract_patches
from ptycho_host.report.progress import SilentProgress
from ptycho_host.testing.scans import simulated_scan
from ptycho_host.workflows import assembly

pytest.importorskip("ptycho_stitchers")
pytest.importorskip("ptycho_contrib_fno")

BATCH = 20


@dataclass
class Perfect:
    """An engine that knows the object."""

    batch: type[PatchBatch]
    passes: list[int] = field(default_factory=list)

    def predict(self, bundle: Bundle, scan: Scan) -> Iterator[PatchBatch]:
        self.passes.append(scan.count)
        assert scan.truth is not None
        truth = scan.truth / bundle.scale.transmission
        for first in range(0, scan.count, BATCH):
            positions = scan.positions[first : first + BATCH]
            patches = extract_patches(truth, positions, scan.pixels).astype(np.complex64)
            yield PatchBatch(patches, positions) if self.batch is PatchBatch else elsewhere(patches, positions)


def elsewhere(patches: Any, positions: Any) -> DeviceBatch:
    """As of an engine whose library no stitcher knows."""
    return DeviceBatch([patches], positions, lambda boxed: boxed[0])


@pytest.mark.parametrize("batch", [PatchBatch, DeviceBatch])
@pytest.mark.parametrize("room", [0, 10**9])
def test_patches_are_predicted_again_only_where_there_is_no_room_for_them(
    batch: type[PatchBatch], room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, other = ("PATCH_MEMORY", "PATCH_MEMORY_ON_DEVICE")[:: 1 if batch is PatchBatch else -1]
    monkeypatch.setattr(assembly, wanted, room)
    monkeypatch.setattr(assembly, other, 10**9 - room)
    scan, host, engine = simulated_scan(), Host.discover(), Perfect(batch)
    generator = configure(host, "generator", "fno", {}, "torch")
    bundle = Bundle(generator, {}, PatchShape(scan.pixels), IntensityScale.of(scan), {})
    stitcher = configure(host, "stitcher", "synchronised").build()
    made = assembly.assemble(engine, bundle, scan, stitcher, SilentProgress()).reconstruction
    assert engine.passes == [scan.count] * (1 if room else 2)
    well = made.coverage > 0.1
    turn = np.exp(1j * np.angle(np.vdot(made.object[well], scan.truth[well])))
    assert np.abs(turn * made.object - scan.truth)[well].max() < 0.02 * np.abs(scan.truth).max()
