"""The suite of stitchers finds each defect; our own stitchers, which pass, are the sound ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ptycho_host.contracts import Canvas, PatchBatch, PatchSpread, Reconstruction
from ptycho_host.errors import InputError
from ptycho_host.physics.patches import place_patches
from ptycho_host.testing import StitcherConformance

CHECKS = [
    name
    for name in dir(StitcherConformance)
    if name.startswith("test_") and name != "test_listing_imports_nothing_heavy"
]


class Sound:
    """The mean of the patches weighted by the probe's intensity."""

    def begin(self, canvas: Canvas, probe: Any) -> None:
        self.weight = (np.abs(probe) ** 2 / np.max(np.abs(probe) ** 2)).astype(np.float32)
        self.total = np.zeros(canvas.shape, np.complex64)
        self.weights = np.zeros(canvas.shape, np.float32)

    def add(self, batch: PatchBatch) -> None:
        place_patches(self.total, self.weight * batch.patches, batch.positions)
        place_patches(self.weights, np.broadcast_to(self.weight, batch.patches.shape), batch.positions)

    def another_pass(self) -> bool:
        return False

    def finish(self) -> Reconstruction:
        peak = self.weights.max()
        covered = self.weights > 1e-2 * peak
        obj = np.divide(self.total, self.weights, out=np.zeros_like(self.total), where=covered)
        return Reconstruction(obj, np.where(covered, self.weights, 0) / peak)


@pytest.mark.parametrize("check", CHECKS)
def test_a_sound_stitcher_passes(trial: Callable[..., Any], check: str) -> None:
    trial(StitcherConformance, lambda: Sound()).check(check)


class KeepsToItself(Sound):
    """Can be shared, but does not add up what other processes have."""

    def share(self, stretch: slice, total: Any) -> slice:
        return stretch


class RoundsPositions(Sound):
    def add(self, batch: PatchBatch) -> None:
        super().add(PatchBatch(batch.patches, np.floor(batch.positions)))


class ShiftsByHalf(Sound):
    """Takes the positions for the corners' centres."""

    def add(self, batch: PatchBatch) -> None:
        super().add(PatchBatch(batch.patches, batch.positions + 1.0))


class RefusesRasters(Sound):
    def begin(self, canvas: Canvas, probe: Any) -> None:
        raise InputError("stitcher 'lab' wants spirals.")


class CoversLittle(Sound):
    def finish(self) -> Reconstruction:
        result = super().finish()
        kept = np.zeros_like(result.coverage)
        kept[20:24, 20:24] = 1
        return Reconstruction(result.object * kept, kept)


class ScaledByProbe(Sound):
    def begin(self, canvas: Canvas, probe: Any) -> None:
        super().begin(canvas, probe)
        self.scale = np.float32(np.max(np.abs(probe)))

    def finish(self) -> Reconstruction:
        result = super().finish()
        return replace(result, object=result.object / self.scale)


class LosesLastOfBatch(Sound):
    def add(self, batch: PatchBatch) -> None:
        kept = max(1, len(batch.patches) - 1)
        super().add(PatchBatch(batch.patches[:kept], batch.positions[:kept]))


class FirstComesFirst(Sound):
    """The first patch counts most."""

    def begin(self, canvas: Canvas, probe: Any) -> None:
        super().begin(canvas, probe)
        self.first = True

    def add(self, batch: PatchBatch) -> None:
        if self.first:
            super().add(PatchBatch(batch.patches[:1] * 2, batch.positions[:1]))
            self.first = False
        super().add(batch)


class NeverForgets(Sound):
    def begin(self, canvas: Canvas, probe: Any) -> None:
        if not hasattr(self, "total") or self.total.shape != canvas.shape:
            kept = getattr(self, "total", np.zeros((1, 1)))
            super().begin(canvas, probe)
            self.total[: kept.shape[0], : kept.shape[1]] += kept


class DividesByZero(Sound):
    def finish(self) -> Reconstruction:
        with np.errstate(all="ignore"):
            return Reconstruction(self.total / self.weights, np.abs(self.weights) / self.weights.max())


class DoublePrecision(Sound):
    def finish(self) -> Reconstruction:
        result = super().finish()
        return Reconstruction(result.object.astype(np.complex128), result.coverage)  # type: ignore[arg-type]


class OtherCanvas(Sound):
    def finish(self) -> Reconstruction:
        result = super().finish()
        return Reconstruction(result.object[1:], result.coverage[1:])


class CountsCoverage(Sound):
    def finish(self) -> Reconstruction:
        result = super().finish()
        return replace(result, coverage=result.coverage * 17)


class FillsWithOnes(Sound):
    def finish(self) -> Reconstruction:
        result = super().finish()
        return replace(result, object=np.where(result.coverage > 0, result.object, 1).astype(np.complex64))


class FailsBeyondTheEdge(Sound):
    def add(self, batch: PatchBatch) -> None:
        if (batch.positions < self.weight.shape[0] / 2).any():
            raise IndexError("index -5 is out of bounds")
        super().add(batch)


class WrapsAround(Sound):
    """What falls over one edge comes in at the other."""

    def add(self, batch: PatchBatch) -> None:
        super().add(PatchBatch(batch.patches, np.abs(batch.positions - 8) + 8))


class DividesByMean(Sound):
    def finish(self) -> Reconstruction:
        result = super().finish()
        mean = np.abs(result.object).sum()
        with np.errstate(all="ignore"):
            return replace(result, object=(result.object / mean * mean).astype(np.complex64))


class WeighsInPlace(Sound):
    def add(self, batch: PatchBatch) -> None:
        super().add(batch)
        batch.patches[:] *= 0.5


class NeverEnds(Sound):
    def another_pass(self) -> bool:
        return True


class TellsSpread(Sound):
    """As if patches erred along the phasor as much as across it."""

    def begin(self, canvas: Canvas, probe: Any) -> None:
        super().begin(canvas, probe)
        self.squares, self.counts = np.zeros_like(self.weights), np.zeros_like(self.weights)

    def add(self, batch: PatchBatch) -> None:
        super().add(batch)
        place_patches(self.squares, self.weight * np.abs(batch.patches) ** 2, batch.positions)
        place_patches(self.counts, np.broadcast_to(self.weight > 0.1, batch.patches.shape) * 1.0, batch.positions)

    def finish(self) -> Reconstruction:
        result = super().finish()
        mean = np.divide(self.squares, self.weights, out=np.zeros_like(self.squares), where=self.weights > 1e-2)
        deviation = np.sqrt(np.maximum(mean - np.abs(result.object) ** 2, 0) / 2)
        return replace(result, spread=PatchSpread(deviation, deviation, self.counts))


class TellsDoublePrecision(TellsSpread):
    def finish(self) -> Reconstruction:
        result = super().finish()
        assert result.spread is not None
        return replace(result, spread=replace(result.spread, along=result.spread.along.astype(float)))


TRUE = "test_true_patches_make_the_true_object"
COVERAGE = "test_coverage_says_where_the_object_is"
SPREAD = "test_spread_is_that_of_the_patches"
BEYOND = "test_patches_may_reach_beyond_the_canvas"
DEFECTS: list[tuple[type, str, str]] = [
    (RoundsPositions, TRUE, r"is off by .* and lie between pixels"),
    (ShiftsByHalf, TRUE, r"is off by .* when all patches are true \(see"),
    (RefusesRasters, TRUE, r"refuses a raster of whole pixels"),
    (CoversLittle, TRUE, r"covers \d+% of an object"),
    (NeverEnds, TRUE, r"asks for more than 8 passes"),
    (ScaledByProbe, "test_object_has_the_patches_scale", r"does not keep the patches' scale"),
    (LosesLastOfBatch, "test_batches_do_not_matter", r"in batches of 1: it differs by"),
    (KeepsToItself, "test_processes_may_share_the_patches", r"when 3 processes share them: it differs by"),
    (FirstComesFirst, "test_order_does_not_matter", r"in another order: it differs by"),
    (NeverForgets, "test_begin_empties_the_canvas", r"by a stitcher that was used before"),
    (DividesByZero, COVERAGE, r"divide only where it is covered"),
    (DoublePrecision, COVERAGE, r"an object complex128 and a coverage float32"),
    (OtherCanvas, COVERAGE, r"makes an object \(64, 54\)"),
    (CountsCoverage, COVERAGE, r"has a coverage from 0 to 17"),
    (FillsWithOnes, COVERAGE, r"has an object where no patch contributed"),
    (TellsSpread, SPREAD, r"finds a spread along of 0\.0[78]\d* where patches err by 0\.05"),
    (TellsDoublePrecision, SPREAD, r"tells a spread of \(45, 45\) float64"),
    (FailsBeyondTheEdge, BEYOND, r"fails to stitch 100 patches in batches of 16: IndexError"),
    (WrapsAround, BEYOND, r"when patches reach beyond the canvas"),
    (DividesByMean, "test_dark_and_lonely_patches", r"not finite of patches of zero"),
    (WeighsInPlace, "test_arguments_are_left_alone", r"changes the patches, positions or probe in place"),
]


@pytest.mark.parametrize(("stitcher", "check", "sentence"), DEFECTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_defect_is_found(trial: Callable[..., Any], stitcher: type, check: str, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as failure:
        trial(StitcherConformance, lambda: stitcher()).check(check)
    assert str(failure.value).startswith("stitcher 'lab' (lab) ")
    assert "see ptycho_host.contracts, stitchers" in str(failure.value)
