"""The stitcher that first brings all patches into phase."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from ptycho_host.contracts import Canvas, PatchBatch, Reconstruction
from ptycho_host.processes import Total
from ptycho_stitchers.devices import turned
from ptycho_stitchers.neighbours import neighbouring_pairs
from ptycho_stitchers.overlap_matrix import hermitian
from ptycho_stitchers.overlap_plan import OverlapPlan, Overlaps
from ptycho_stitchers.overlaps import OverlapAccumulator
from ptycho_stitchers.phases import synchronised_phases
from ptycho_stitchers.weighted_canvas import WeightedCanvas
from ptycho_stitchers.weighted_mean import probe_intensity
from ptycho_stitchers.window import Window

UNRELATED = 1e-4
"""Two patches whose overlap correlates less than this say nothing about each other's phase."""


class SynchronisedStitcher:
    """Weighs patches with |P|^2, as `probe_weighted`, after one constant phase a patch has been taken off.

    The first pass compares neighbours, the second adds up. The weighted mean of the object has phase zero, in each
    connected part of the scan by itself.
    """

    def __init__(self, neighbours: int) -> None:
        self._neighbours = neighbours

    def begin(self, canvas: Canvas, probe: NDArray[np.complex64]) -> None:
        """Empty the canvas and find the pairs of patches to compare."""
        window = Window.around(probe_intensity(probe))
        # Farther apart than its diagonal, two windows have nothing in common.
        pairs = neighbouring_pairs(canvas.positions, np.sqrt(2) * window.side, self._neighbours)
        self._plan = OverlapPlan.of(window, canvas.positions, pairs)
        self._overlaps = OverlapAccumulator(self._plan)
        self._positions = canvas.positions
        self._canvas = WeightedCanvas(canvas.shape, window)
        self._factors: NDArray[np.complex64] | None = None
        self._notes: tuple[str, ...] = ()
        self._stretch = slice(0, len(canvas.positions))
        self._total: Total | None = None
        self._first = self._arrived = 0

    def share(self, stretch: slice, total: Total) -> slice:
        """The patches of `stretch`, and those before them that they are compared with."""
        self._stretch, self._total = stretch, total
        reach = self._overlaps.reach(stretch)
        self._overlaps.start_at(reach.start)
        self._first = self._arrived = reach.start
        return reach

    def add(self, batch: PatchBatch) -> None:
        """Take the next patches; raises ValueError when they do not come in the order of the canvas's positions."""
        expected = slice(self._arrived, self._arrived + len(batch.positions))
        if not np.array_equal(batch.positions, self._positions[expected]):
            raise ValueError("patches must come in the order of canvas.positions, in both passes")
        self._arrived = expected.stop
        if self._factors is None:
            self._overlaps.add(batch)
        else:
            own = slice(max(self._stretch.start - expected.start, 0), None)
            self._canvas.add(turned(batch, self._factors[expected], own))

    def another_pass(self) -> bool:
        """Once: after the first pass all phases are known."""
        if self._factors is not None:
            return False
        found = self._overlaps.found(self._stretch, self._total)
        factors, parts = synchronised_phases(_related(self._plan.pairs, found))
        lit = found.norms > 0
        self._factors = _mean_phase_zero(factors, parts, found.sums).astype(np.complex64)
        self._notes = _notes(parts, lit)
        self._arrived = self._first
        return True

    def finish(self) -> Reconstruction:
        """The weighted mean of the patches in phase."""
        return self._canvas.reconstruction(self._notes, self._total)


def build(
    *,
    neighbours: Annotated[
        int, Field(ge=1, le=100, description="How many nearest patches each patch is compared with.")
    ] = 12,
) -> SynchronisedStitcher:
    """Phase-synchronised assembly: one phase a patch, all of them those that explain the overlaps best."""
    return SynchronisedStitcher(neighbours)


def _related(pairs: NDArray[np.int64], overlaps: Overlaps) -> sparse.csr_array:
    """The Hermitian matrix (M, M) of the overlaps that say something."""
    (earlier, later), norms = pairs.T, overlaps.norms
    related = np.abs(overlaps.values) > UNRELATED * np.sqrt(norms[earlier] * norms[later])
    entries = (overlaps.values[related], (earlier[related], later[related]))
    return hermitian(sparse.csr_array(entries, shape=(len(norms), len(norms))))


def _mean_phase_zero(
    factors: NDArray[np.complex128], parts: NDArray[np.int64], sums: NDArray[np.complex128]
) -> NDArray[np.complex128]:
    """Turn each part so that the sum of its weighted patches is real and positive."""
    turned = factors * sums
    totals = np.bincount(parts, turned.real) + 1j * np.bincount(parts, turned.imag)
    # An angle, not a quotient, so that a part of empty patches stays as it is.
    return factors * np.exp(-1j * np.angle(totals))[parts]


def _notes(parts: NDArray[np.int64], lit: NDArray[np.bool_]) -> tuple[str, ...]:
    separate = len(np.unique(parts[lit]))
    empty = int(np.count_nonzero(~lit))
    notes = []
    if separate > 1:
        notes.append(f"the scan falls into {separate} parts that do not overlap: their phases are unrelated")
    if empty:
        notes.append(f"{empty} of {len(lit)} patches are zero under the probe")
    return tuple(notes)
