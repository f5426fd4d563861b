"""Conformance of named scans."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptycho_host.configured import ConfiguredComponent
from ptycho_host.data.scan import Scan
from ptycho_host.plugins import Host
from ptycho_host.testing.simulators import problem_of
from ptycho_host.testing.suite import OptionConformance
from ptycho_host.workflows.scans import load_scan


class DatasetConformance(OptionConformance):
    """A named scan keeps its contract: valid, the same each time, found by `--data NAME` from any folder."""

    kind = "dataset"
    contract = "ptycho_host.contracts, files"

    def test_scan_is_valid(self, component: ConfiguredComponent) -> None:
        """What the host demands of every scan."""
        scan = self._read(component)
        found = problem_of(scan)
        self.require(found is None, component, f"is a scan that breaks the contract of scans: {found}")
        self.require(scan.name.strip(), component, "gives its scan no name")

    def test_scan_is_the_same_each_time(self, component: ConfiguredComponent) -> None:
        """A run goes on only with its own data."""
        same = self._read(component).fingerprint() == self._read(component).fingerprint()
        self.require(same, component, "is another scan each time")

    def test_name_is_enough(
        self, host: Host, component: ConfiguredComponent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`--data NAME` works in an empty folder: the file is found beside its module."""
        monkeypatch.chdir(tmp_path)
        with self.attempt(component, "to be read in another folder"):
            scan = load_scan(component.component.name, host=host)
        self.require(scan.count > 0, component, "has no patterns")

    def _read(self, component: ConfiguredComponent) -> Scan:
        with self.attempt(component, "to be read"):
            scan = component.build()()
        self.require(isinstance(scan, Scan), component, f"returns {type(scan).__name__} where a Scan is due")
        assert isinstance(scan, Scan)
        return scan
