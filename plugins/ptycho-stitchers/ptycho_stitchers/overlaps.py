"""Overlaps of all patches of a scan, taken while they stream by, where they are, and shared by several processes."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ptycho_host.contracts import PatchBatch
from ptycho_host.processes import Total
from ptycho_stitchers.devices import left_to_torch
from ptycho_stitchers.overlap_plan import OverlapPlan, Overlaps
from ptycho_stitchers.overlap_ring import OverlapRing


class _Ring(Protocol):
    def add(self, batch: Any, first: int) -> None: ...

    def found(self) -> Overlaps: ...


class OverlapAccumulator:
    """Compares neighbours as the `plan` says; patches come in their order."""

    def __init__(self, plan: OverlapPlan) -> None:
        self._plan = plan
        self._ring: _Ring | None = None
        self._arrived = 0

    def reach(self, stretch: slice) -> slice:
        """The patches that must come so that those of `stretch` are compared with all that came before them."""
        earlier = self._plan.pairs[self._plan.of_later(stretch), 0]
        return slice(int(earlier.min(initial=stretch.start)), stretch.stop)

    def start_at(self, index: int) -> None:
        """The patches before `index` will not come."""
        self._arrived = index

    def add(self, batch: PatchBatch) -> None:
        """Compare the next patches with all their neighbours that came before."""
        if self._ring is None:
            self._ring = self._ring_for(batch)
        self._ring.add(batch, self._arrived)
        self._arrived += len(batch.positions)

    def found(self, stretch: slice, total: Total | None = None) -> Overlaps:
        """What was found, by all processes where `total` adds it up; this one stands for the patches of `stretch`."""
        found = (self._ring or OverlapRing(self._plan)).found()
        if total is None:
            return found
        return Overlaps(
            total(_only(found.values, self._plan.of_later(stretch))),
            total(_only(found.norms, stretch)),
            total(_only(found.sums, stretch)),
        )

    def _ring_for(self, batch: PatchBatch) -> _Ring:
        if left_to_torch(batch):
            from ptycho_stitchers.tensor_ring import TensorRing

            return TensorRing(self._plan, batch.tensor.device)
        return OverlapRing(self._plan)


def _only(values: NDArray[Any], part: slice) -> NDArray[Any]:
    """A copy that is zero outside of `part`."""
    kept = np.zeros_like(values)
    kept[part] = values[part]
    return kept
