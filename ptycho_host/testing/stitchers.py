"""Conformance of stitchers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.configured import ConfiguredComponent
from ptycho_host.contracts import Canvas, PatchBatch, PatchStitcher, Reconstruction, SharedStitcher
from ptycho_host.errors import InputError
from ptycho_host.physics.patches import extract_patches
from ptycho_host.plugins import Host
from ptycho_host.processes import Processes
from ptycho_host.testing.processes import everywhere
from ptycho_host.testing.scans import disc_probe, raster, smooth_object
from ptycho_host.testing.suite import OptionConformance

PIXELS = 16
STEP = 3
ALONE, PROCESSES = Processes(), 3
MOST_PASSES = 8
"""A stitcher that wants the patches more often than that never ends."""
SINGLE = 1e-4
"""Relative error of sums and quotients in single precision."""
INTERPOLATED = 0.04
"""The same for patches between whole pixels, of an object that is smooth over three: cubic interpolation, twice."""

ALONG, ACROSS = 0.05, 0.1
"""Errors of patches along and across the phasor of an object whose modulus is about one."""
SEVERAL = 3.0
"""With so many patches on each pixel their spread is known to a few percent over the object."""
WELL_COVERED = 0.1
"""Where less of the largest weight adds up, at the edge of the scan, interpolated weights are hardly defined."""


@dataclass(frozen=True, slots=True)
class Jigsaw:
    """Patches (M, N, N) at positions (M, 2) of a `whole` object (H, W) under a probe (N, N)."""

    whole: NDArray[np.complex64]
    positions: NDArray[np.float64]
    patches: NDArray[np.complex64]
    probe: NDArray[np.complex64]

    @classmethod
    def of(cls, count: int = 10, offset: float = 0.0) -> Jigsaw:
        """count² patches cut from a smooth object, whose first corner lies `offset` pixels inside it."""
        side = PIXELS + STEP * (count - 1) + 2
        whole = smooth_object((side, side), seed=4, smoothness=5)
        positions = raster(PIXELS / 2 + offset, STEP, count)
        patches = extract_patches(whole, positions, PIXELS).astype(np.complex64)
        return cls(whole, positions, patches, 100 * disc_probe(PIXELS))

    def reordered(self, order: NDArray[np.int64]) -> Jigsaw:
        """The same patches, coming in another order."""
        return replace(self, positions=self.positions[order], patches=self.patches[order])


class StitcherConformance(OptionConformance):
    """A stitcher keeps its contract: true patches make the true object, however they come."""

    kind = "stitcher"
    contract = "ptycho_host.contracts, stitchers"

    def test_true_patches_make_the_true_object(self, component: ConfiguredComponent) -> None:
        """Where well covered, to rounding on whole pixels, to interpolation between them; a constant phase is free.

        A stitcher may refuse positions between pixels with an InputError.
        """
        for offset, tolerance in ((0.0, SINGLE), (0.37, INTERPOLATED)):
            jigsaw = Jigsaw.of(offset=offset)
            try:
                result = self._stitch(component, jigsaw)
            except InputError:
                self.require(offset, component, "refuses a raster of whole pixels")
                continue
            error = _misfit(result, jigsaw.whole)
            covered = np.count_nonzero(result.coverage) / result.coverage.size
            self.require(covered > 0.2, component, f"covers {covered:.0%} of an object whose inner part is well lit")
            self.require(
                error < tolerance,
                component,
                f"is off by {error:.2g} of the object's size when all patches are true"
                f"{' and lie between pixels' if offset else ''}",
            )

    def test_object_has_the_patches_scale(self, component: ConfiguredComponent) -> None:
        """Three times the patches, under a tenth of the probe, make three times the object."""
        jigsaw = Jigsaw.of()
        result = self._stitch(component, jigsaw)
        larger = self._stitch(component, replace(jigsaw, patches=3 * jigsaw.patches, probe=jigsaw.probe / 10))
        self.require(
            _difference(larger.object, 3 * result.object) < SINGLE,
            component,
            "does not keep the patches' scale; the probe weighs the patches, it does not scale the object",
        )

    def test_batches_do_not_matter(self, component: ConfiguredComponent) -> None:
        """Patches may come one by one or all at once."""
        jigsaw = Jigsaw.of()
        whole = self._stitch(component, jigsaw, batch=len(jigsaw.patches))
        for batch in (1, 7):
            found = self._stitch(component, jigsaw, batch=batch)
            self._same(component, found, whole, f"in batches of {batch}")

    def test_order_does_not_matter(self, component: ConfiguredComponent) -> None:
        """A scan may run over the object in any order; the canvas names the order beforehand."""
        jigsaw = Jigsaw.of()
        order = np.random.default_rng(2).permutation(len(jigsaw.patches))
        found, due = self._stitch(component, jigsaw.reordered(order)), self._stitch(component, jigsaw)
        self._same(component, found, due, "in another order")

    def test_processes_may_share_the_patches(self, component: ConfiguredComponent) -> None:
        """Where the stitcher has `share`: processes that get a stretch of the patches each make the whole object."""
        if not isinstance(component.build(), SharedStitcher):
            return
        jigsaw = Jigsaw.of()
        due = self._stitch(component, jigsaw)
        for found in everywhere(PROCESSES, lambda mine: self._stitch(component, jigsaw, processes=mine)):
            self._same(component, found, due, f"when {PROCESSES} processes share them")

    def test_begin_empties_the_canvas(self, component: ConfiguredComponent) -> None:
        """A stitcher that is used again remembers nothing."""
        first, second = Jigsaw.of(count=6), Jigsaw.of()
        stitcher: PatchStitcher = component.build()
        self._stitch(component, first, stitcher=stitcher)
        again = self._stitch(component, second, stitcher=stitcher)
        self._same(component, again, self._stitch(component, second), "by a stitcher that was used before")

    def test_coverage_says_where_the_object_is(self, component: ConfiguredComponent) -> None:
        """(H, W) float32 from 0 to 1; where it is zero the object is zero, and all of it is finite."""
        jigsaw = Jigsaw.of()
        height, width = jigsaw.whole.shape
        result = self._stitch(component, jigsaw, shape=(height + 20, width + 9))
        due = (height + 20, width + 9)
        self.require(
            result.object.shape == due and result.coverage.shape == due,
            component,
            f"makes an object {result.object.shape} and a coverage {result.coverage.shape} on a canvas {due}",
        )
        self.require(
            result.object.dtype == np.complex64 and result.coverage.dtype == np.float32,
            component,
            f"makes an object {result.object.dtype} and a coverage {result.coverage.dtype}; complex64 and float32 "
            "are due",
        )
        self.require(
            np.isfinite(result.object).all() and np.isfinite(result.coverage).all(),
            component,
            "leaves values that are not finite on the canvas; divide only where it is covered",
        )
        lowest, highest = result.coverage.min(), result.coverage.max()
        self.require(
            lowest >= 0 and abs(highest - 1) < 1e-6,
            component,
            f"has a coverage from {lowest:g} to {highest:g}; it goes from 0 to 1",
        )
        beyond = np.s_[height + PIXELS // 2 :, :]
        self.require(
            not result.object[result.coverage == 0].any() and not result.object[beyond].any(),
            component,
            "has an object where no patch contributed; leave it zero there",
        )

    def test_spread_is_that_of_the_patches(self, component: ConfiguredComponent) -> None:
        """Where it is told: (H, W) float32, none of true patches, and that of errors which patches differ by."""
        true, rng = Jigsaw.of(), np.random.default_rng(5)
        phasors = np.exp(1j * np.angle(true.patches))
        errors = (rng.normal(0, ALONG, phasors.shape) + 1j * rng.normal(0, ACROSS, phasors.shape)) * phasors
        none = self._stitch(component, true).spread
        if none is None:
            return
        spread = self._stitch(component, replace(true, patches=(true.patches + errors).astype(np.complex64))).spread
        self.require(spread is not None, component, "tells a spread of some patches and not of others")
        assert spread is not None
        for name, due in (("along", ALONG), ("across", ACROSS)):
            found, nothing = getattr(spread, name), getattr(none, name)
            self.require(
                found.shape == true.whole.shape and found.dtype == np.float32,
                component,
                f"tells a spread of {found.shape} {found.dtype} for an object {true.whole.shape}; float32 is due",
            )
            told = np.isfinite(found) & (spread.patches > SEVERAL)
            typical = float(np.sqrt(np.mean(found[told] ** 2))) if told.any() else 0.0
            self.require(
                0.7 * due < typical < 1.4 * due,
                component,
                f"finds a spread {name} of {typical:.3g} where patches err by {due:g}; it is that of one patch",
            )
            most = float(nothing[np.isfinite(nothing)].max(initial=0))
            self.require(most < 0.1 * due, component, f"finds a spread {name} of {most:.3g} of patches that agree")

    def test_patches_may_reach_beyond_the_canvas(self, component: ConfiguredComponent) -> None:
        """Positions half outside the object lose what is outside, and nothing else; or they are refused."""
        jigsaw = Jigsaw.of()
        cut = 5
        shifted = replace(jigsaw, positions=jigsaw.positions - cut)
        height, width = jigsaw.whole.shape
        try:
            result = self._stitch(component, shifted, shape=(height - 2 * cut, width - 2 * cut))
        except InputError:
            return
        error = _misfit(result, jigsaw.whole[cut:-cut, cut:-cut])
        self.require(
            error < SINGLE,
            component,
            f"is off by {error:.2g} of the object's size when patches reach beyond the canvas",
        )

    def test_dark_and_lonely_patches(self, component: ConfiguredComponent) -> None:
        """A scan of one pattern, and patches that are zero, make a finite object; or they are refused."""
        single = Jigsaw.of(count=1)
        dark = Jigsaw.of(count=4)
        for jigsaw, what in ((single, "a single patch"), (replace(dark, patches=0 * dark.patches), "patches of zero")):
            try:
                result = self._stitch(component, jigsaw)
            except InputError:
                continue
            self.require(np.isfinite(result.object).all(), component, f"makes an object that is not finite of {what}")

    def test_arguments_are_left_alone(self, component: ConfiguredComponent) -> None:
        """The patches come again in a second pass, from the memory that the host keeps."""
        jigsaw, before = Jigsaw.of(), Jigsaw.of()
        self._stitch(component, jigsaw)
        unchanged = all(
            np.array_equal(getattr(jigsaw, name), getattr(before, name)) for name in ("positions", "patches", "probe")
        )
        self.require(unchanged, component, "changes the patches, positions or probe in place; work on a copy")

    def try_out(self, host: Host, component: ConfiguredComponent) -> None:
        """Stitch a small object."""
        result = self._stitch(component, Jigsaw.of(count=4))
        self.require(np.isfinite(result.object).all(), component, "makes an object that is not finite")

    # --- how -----------------------------------------------------------------------------------------------------

    def _stitch(
        self,
        component: ConfiguredComponent,
        jigsaw: Jigsaw,
        *,
        batch: int = 16,
        shape: tuple[int, int] | None = None,
        stitcher: PatchStitcher | None = None,
        processes: Processes = ALONE,
    ) -> Reconstruction:
        """As the host does it; InputErrors come through, anything else fails the test."""
        try:
            stitcher = stitcher or component.build()
            stitcher.begin(Canvas(shape or jigsaw.whole.shape, jigsaw.positions), jigsaw.probe)
            seen = slice(0, len(jigsaw.patches))
            if processes.world > 1 and isinstance(stitcher, SharedStitcher):
                seen = stitcher.share(processes.stretch(len(jigsaw.patches)), processes.total)
            for _ in range(MOST_PASSES):
                for first in range(seen.start, seen.stop, batch):
                    part = slice(first, min(first + batch, seen.stop))
                    stitcher.add(PatchBatch(jigsaw.patches[part], jigsaw.positions[part]))
                if not stitcher.another_pass():
                    return stitcher.finish()
        except InputError:
            raise
        except Exception as error:
            what = f"{type(error).__name__}: {error}".rstrip(".")
            label = component.registration.label
            raise AssertionError(
                f"{label} fails to stitch {len(jigsaw.patches)} patches in batches of {batch}: {what} "
                f"(see {self.contract})."
            ) from error
        raise AssertionError(
            f"{component.registration.label} asks for more than {MOST_PASSES} passes; another_pass() must come to an "
            f"end (see {self.contract})."
        )

    def _same(self, component: ConfiguredComponent, found: Reconstruction, due: Reconstruction, when: str) -> None:
        error = max(_difference(found.object, due.object), _difference(found.coverage, due.coverage))
        self.require(
            error < SINGLE, component, f"makes another object of the same patches {when}: it differs by {error:.2g}"
        )


def _misfit(result: Reconstruction, whole: NDArray[np.complex64]) -> float:
    """Relative error where the object is well covered, after the best constant phase."""
    covered = result.coverage > WELL_COVERED
    found, due = result.object[covered], whole[covered]
    if found.size == 0:
        return float("inf")
    turn = np.exp(1j * np.angle(np.vdot(found, due)))
    return float(np.linalg.norm(turn * found - due) / np.linalg.norm(due))


def _difference(found: NDArray[Any], due: NDArray[Any]) -> float:
    if found.shape != due.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.linalg.norm(found - due) / max(np.linalg.norm(due), np.finfo(np.float32).tiny))
