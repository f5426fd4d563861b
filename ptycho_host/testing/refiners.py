"""Conformance of refiners."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ptycho_host.configured import ConfiguredComponent
from ptycho_host.contracts import Reconstruction
from ptycho_host.data.scan import Scan
from ptycho_host.metrics.diffraction import diffraction_agreement
from ptycho_host.plugins import Host
from ptycho_host.report.progress import SilentProgress
from ptycho_host.testing.scans import simulated_scan
from ptycho_host.testing.suite import OptionConformance


class RefinerConformance(OptionConformance):
    """A refiner keeps its contract: from any start it comes nearer to the patterns, on the physical scale.

    Choose `options` with a few iterations.
    """

    kind = "refiner"
    contract = "ptycho_host.contracts, stitchers and refiners"

    def test_patterns_are_explained_better(self, component: ConfiguredComponent) -> None:
        """From a uniform object, and from a blurred phase, the predicted patterns come nearer to the measured ones."""
        scan = simulated_scan()
        for start, what in ((_uniform(scan), "a uniform object"), (_flattened(scan), "half of the true phase")):
            before = _residual(start, scan)
            after = _residual(self._refined(component, scan, start), scan)
            self.require(
                after < before,
                component,
                f"takes the residual of the patterns from {before:.3g} to {after:.3g} when it starts from {what}",
            )

    def test_truth_is_not_spoilt(self, component: ConfiguredComponent) -> None:
        """The true object, on the physical scale, explains the patterns to their noise, and still does afterwards."""
        scan = simulated_scan()
        assert scan.truth is not None
        start = Reconstruction(scan.truth, np.ones(scan.truth.shape, np.float32))
        before, after = _residual(start, scan), _residual(self._refined(component, scan, start), scan)
        self.require(
            after < 2 * before,
            component,
            f"takes the residual of the true object from {before:.3g} to {after:.3g}; object and probe are on the "
            "physical scale, sum |P|^2 = photons a pattern",
        )

    def test_object_and_coverage_keep_their_form(self, component: ConfiguredComponent) -> None:
        """(H, W) complex64 and float32 from 0 to 1, finite, on the canvas of the start."""
        scan = simulated_scan()
        start = _uniform(scan)
        result = self._refined(component, scan, start)
        self.require(
            result.object.shape == result.coverage.shape == start.object.shape
            and result.object.dtype == np.complex64
            and result.coverage.dtype == np.float32,
            component,
            f"returns an object {result.object.shape} {result.object.dtype} and a coverage {result.coverage.shape} "
            f"{result.coverage.dtype} for a start of {start.object.shape}; complex64 and float32 are due",
        )
        self.require(np.isfinite(result.object).all(), component, "returns an object that is not finite")
        lowest, highest = result.coverage.min(), result.coverage.max()
        self.require(
            lowest >= 0 and highest <= 1 + 1e-6,
            component,
            f"returns a coverage from {lowest:g} to {highest:g}; it goes from 0 to 1",
        )

    def test_result_repeats(self, component: ConfiguredComponent) -> None:
        """The same scan and start give the same object, to rounding."""
        scan = simulated_scan()
        first, again = (self._refined(component, scan, _uniform(scan)).object for _ in range(2))
        error = np.linalg.norm(first - again) / np.linalg.norm(first)
        self.require(error < 1e-3, component, "returns another object of the same scan and start; seed what is random")

    def test_arguments_are_left_alone(self, component: ConfiguredComponent) -> None:
        """The start is still shown beside the result, and the scan is the user's."""
        scan, start = simulated_scan(), _uniform(simulated_scan())
        before = (scan.fingerprint(), start.object.copy(), start.coverage.copy())
        self._refined(component, scan, start)
        unchanged = (
            scan.fingerprint() == before[0]
            and np.array_equal(start.object, before[1])
            and np.array_equal(start.coverage, before[2])
        )
        self.require(unchanged, component, "changes the scan or the start in place; work on a copy")

    def test_patterns_may_lie_on_disk(self, component: ConfiguredComponent) -> None:
        """`Scan.amplitudes` need not be an array: it is read by `scan.batch`."""
        scan = simulated_scan()
        chosen = scan.subset(np.arange(scan.count)[::-1])
        result = self._refined(component, chosen, _uniform(scan))
        self.require(np.isfinite(result.object).all(), component, "returns an object that is not finite")

    def try_out(self, host: Host, component: ConfiguredComponent) -> None:
        """Refine once."""
        scan = simulated_scan(16)
        result = component.build()(scan, _uniform(scan), SilentProgress())
        self.require(np.isfinite(result.object).all(), component, "returns an object that is not finite")

    def _refined(self, component: ConfiguredComponent, scan: Scan, start: Reconstruction) -> Reconstruction:
        with self.attempt(component, "to refine"):
            result = component.build()(scan, start, SilentProgress())
        self.require(
            isinstance(result, Reconstruction),
            component,
            f"returns {type(result).__name__} where a Reconstruction is due",
        )
        assert isinstance(result, Reconstruction)
        return result


def _uniform(scan: Scan) -> Reconstruction:
    shape = scan.canvas_shape()
    return Reconstruction(np.full(shape, 0.8, np.complex64), np.ones(shape, np.float32))


def _flattened(scan: Scan) -> Reconstruction:
    assert scan.truth is not None
    flat: NDArray[np.complex64] = (np.abs(scan.truth) * np.exp(0.5j * np.angle(scan.truth))).astype(np.complex64)
    return Reconstruction(flat, np.ones(flat.shape, np.float32))


def _residual(result: Reconstruction, scan: Scan) -> float:
    seen = scan if result.probe is None else replace(scan, probe=result.probe)
    residual = diffraction_agreement(result.object, seen).residual
    return float("inf") if residual is None else residual
