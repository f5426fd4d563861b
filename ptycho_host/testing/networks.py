"""Conformance of trained networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ptycho_host.configured import ConfiguredComponent
from ptycho_host.plugins import Host
from ptycho_host.testing.scans import simulated_scan
from ptycho_host.testing.suite import OptionConformance
from ptycho_host.workflows.run import Run


class NetworkConformance(OptionConformance):
    """A trained network keeps its contract: a whole run directory, found by its name, that is left as it is."""

    kind = "network"
    contract = "ptycho_host.contracts, files"

    def test_run_directory_is_whole(self, component: ConfiguredComponent, host: Host) -> None:
        """Its bundle opens, of the back-end that the descriptor states."""
        with self.attempt(component, "to be opened"):
            bundle = Run.open(component.build()(), host=host).bundle
        stated, found = component.component.backend, bundle.generator.component.backend
        self.require(found == stated, component, f"holds a generator for {found}, and its descriptor states {stated}")

    def test_name_is_enough(
        self, host: Host, component: ConfiguredComponent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`ptycho reconstruct NAME` works in an empty folder, and leaves the distribution's files alone."""
        monkeypatch.chdir(tmp_path)
        with self.attempt(component, "to reconstruct a scan from another folder"):
            run = Run.open(component.component.name, host=host)
            before = _files(run.path)
            scan = simulated_scan(run.bundle.shape.pixels, count=5)
            found = run.reconstruct(scan).object
        self.require(found.shape == scan.canvas_shape(), component, f"makes an object {found.shape}")
        self.require(bool(np.isfinite(found).all()), component, "makes an object that is not finite")
        self.require(_files(run.path) == before, component, "has other files after it was used")


def _files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
