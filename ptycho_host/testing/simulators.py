"""Conformance of simulators."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ptycho_host.configured import ConfiguredComponent
from ptycho_host.contracts import SimulationRequest
from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.scan import Scan
from ptycho_host.errors import DataError, InputError
from ptycho_host.metrics.diffraction import predicted_amplitudes
from ptycho_host.plugins import Host
from ptycho_host.testing.suite import OptionConformance
from ptycho_host.workflows.scans import load_scan, write_scan

MOST_SPREAD = 2.0
"""Counts of expectation n spread by n; the mean of that ratio over a scan of hundreds of lit pixels is near 1."""


class SimulatorConformance(OptionConformance):
    """A simulator keeps its contract: a valid scan with its truth, which explains the patterns, from `rng` alone.

    Choose `options` that make a scan of a dozen patterns.
    """

    kind = "simulator"
    contract = "ptycho_host.contracts, simulators"

    def test_scan_is_valid(self, component: ConfiguredComponent) -> None:
        """What the host demands of every scan, with the dtypes of `ptycho_host.data.scan.Scan`."""
        scan = self._simulated(component)
        found = problem_of(scan)
        self.require(found is None, component, f"makes a scan that breaks the contract of scans: {found}")
        self.require(
            scan.truth is not None and scan.truth.dtype == np.complex64,
            component,
            "makes a scan without the true object; set Scan.truth, complex64",
        )

    def test_only_the_seed_decides(self, component: ConfiguredComponent) -> None:
        """The same rng gives the same scan, another rng another one; no other random numbers are drawn."""
        outside = (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]  # noqa: NPY002
        simulate = component.build()
        first, again, other = (simulate(SimulationRequest(), np.random.default_rng(seed)) for seed in (1, 1, 2))
        self.require(
            first.fingerprint() == again.fingerprint() and _equal(first.truth, again.truth),
            component,
            "makes another scan of the same rng; draw every random number from it, and keep nothing between calls",
        )
        self.require(
            first.fingerprint() != other.fingerprint(),
            component,
            "makes the same scan whatever the rng; at least the photons are counted anew",
        )
        now = (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]  # noqa: NPY002
        self.require(outside == now, component, "draws from the global random numbers of Python or NumPy; use rng")

    def test_truth_explains_the_patterns(self, component: ConfiguredComponent) -> None:
        """Photon counts lie about those that truth, probe and positions predict, no farther than counting does."""
        spread = _spread(self._simulated(component))
        self.require(
            spread < MOST_SPREAD,
            component,
            f"makes patterns {spread:.3g} times as far from those of its truth as counting photons explains; check "
            "the far field, the scale of the probe, and that positions are patch centres (y, x)",
        )

    def test_dose_is_as_asked(self, host: Host, component: ConfiguredComponent) -> None:
        """An option `photons` is the mean of the photons counted in a pattern."""
        if "photons" not in type(component.options).model_fields:
            return
        for photons in (1e4, 1e6):
            scan = self._simulated(self.configured(host, {**self.options, "photons": photons}))
            counted = float(np.mean(np.sum(np.square(scan.batch(slice(None)), dtype=np.float64), axis=(1, 2))))
            # The mean of a dozen patterns of 1e4 photons is known to a third of a percent.
            self.require(
                abs(counted / photons - 1) < 0.05,
                component,
                f"counts {counted:.3g} photons a pattern where photons={photons:g}",
            )

    def test_request_is_honoured(self, component: ConfiguredComponent) -> None:
        """A requested probe is used as it is, dose included; so are requested positions."""
        usual = self._simulated(component)
        probe = (usual.probe * np.exp(0.5j) / 3).astype(np.complex64)
        positions = usual.positions[::-2].copy()
        before = (probe.copy(), positions.copy())
        for request in (
            SimulationRequest(probe=probe),
            SimulationRequest(positions=positions),
            SimulationRequest(probe=probe, positions=positions),
        ):
            scan = self._simulated(component, request)
            asked = [name for name in ("probe", "positions") if getattr(request, name) is not None]
            for name in asked:
                self.require(
                    _equal(getattr(scan, name), getattr(request, name)),
                    component,
                    f"does not use the requested {name} as they are",
                )
            found = problem_of(scan)
            self.require(found is None, component, f"breaks the contract of scans on request: {found}")
            spread = _spread(scan)
            self.require(
                spread < MOST_SPREAD,
                component,
                f"makes patterns {spread:.3g} times as far from those of its truth as counting photons explains when "
                f"{' and '.join(asked)} are requested",
            )
        self.require(
            _equal(probe, before[0]) and _equal(positions, before[1]),
            component,
            "changes the arrays of the request in place",
        )

    def test_impossible_positions_are_refused(self, component: ConfiguredComponent) -> None:
        """A position off the object is an InputError."""
        usual = self._simulated(component)
        beyond = usual.positions.copy()
        beyond[0] = -1e4
        try:
            component.build()(SimulationRequest(positions=beyond), np.random.default_rng(0))
        except InputError:
            return
        except Exception as error:  # noqa: BLE001 - any other failure is what is reported here
            found = f"raises {type(error).__name__}"
        else:
            found = "makes a scan"
        self.require(False, component, f"{found} when a requested position lies off the object; raise an InputError")

    def test_scan_can_be_written(self, host: Host, component: ConfiguredComponent, tmp_path: Path) -> None:
        """`ptycho simulate` writes the scan, metadata included, and reads it back."""
        scan = self._simulated(component)
        path = tmp_path / "scan.npz"
        with self.attempt(component, "to have its scan written and read"):
            write_scan(scan, path, host=host)
            again = load_scan(path, host=host)
        self.require(
            again.fingerprint() == scan.fingerprint() and _equal(again.truth, scan.truth),
            component,
            "makes a scan that is another one after it was written and read; keep to the dtypes of Scan",
        )
        self.require(
            dict(again.metadata) == json.loads(json.dumps(dict(scan.metadata))),
            component,
            "makes metadata that JSON does not keep; use plain values",
        )

    def try_out(self, host: Host, component: ConfiguredComponent) -> None:
        """Make a scan."""
        scan = component.build()(SimulationRequest(), np.random.default_rng(0))
        found = problem_of(scan)
        self.require(found is None, component, f"breaks the contract of scans: {found}")

    def _simulated(self, component: ConfiguredComponent, request: SimulationRequest | None = None) -> Scan:
        with self.attempt(component, "to simulate"):
            scan = component.build()(request or SimulationRequest(), np.random.default_rng(0))
        self.require(isinstance(scan, Scan), component, f"returns {type(scan).__name__} where a Scan is due")
        assert isinstance(scan, Scan)
        return scan


def problem_of(scan: Scan) -> str | None:
    """What the host's own checks of scans, and the dtypes of the contract, have against it; None when all is well."""
    check = ScanChecker(f"scan '{scan.name}'", "amplitudes", "probe")
    try:
        amplitudes = scan.amplitudes[slice(None)]
        check.amplitudes(np.asarray(amplitudes))
        check.positions(scan.positions[:, 0], scan.positions[:, 1], scan.count)
        check.probe(scan.probe, scan.pixels)
        for name in ("truth", "reference"):
            if getattr(scan, name) is not None:
                check.object(getattr(scan, name), name)
        check.inside(scan)
    except DataError as error:
        return str(error).rstrip(".")
    dues = {"amplitudes": np.float32, "positions": np.float64, "probe": np.complex64}
    found = {"amplitudes": np.asarray(amplitudes).dtype, "positions": scan.positions.dtype, "probe": scan.probe.dtype}
    wrong = [f"{name} are {found[name]}, not {np.dtype(due)}" for name, due in dues.items() if found[name] != due]
    return "; ".join(wrong) or None


def _spread(scan: Scan) -> float:
    """Sum (n - m)^2 / sum m of measured counts n and expected counts m: 1 for counted photons, 0 without noise."""
    assert scan.truth is not None
    expected = np.square(predicted_amplitudes(scan.truth, scan, np.arange(scan.count)).astype(np.float64))
    measured = np.square(scan.batch(slice(None)).astype(np.float64))
    return float(np.sum((measured - expected) ** 2) / np.sum(expected))


def _equal(first: NDArray[np.generic] | None, second: NDArray[np.generic] | None) -> bool:
    return first is not None and second is not None and bool(np.array_equal(first, second))
