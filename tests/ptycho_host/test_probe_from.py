"""Simulated scans under the probe of another scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ptycho_host import Host
from ptycho_host.configured import configure
from ptycho_host.errors import InputError
from ptycho_host.testing.scans import simulated_scan
from ptycho_host.workflows.scans import run_simulator, write_scan


def test_a_simulator_takes_probe_and_dose_of_a_scan(tmp_path: Path) -> None:
    host, scan = Host.discover(), simulated_scan(32, photons=1e7)
    write_scan(scan, tmp_path / "scan.npz", host=host)
    simulator = configure(host, "simulator", "mixture", {"size": 96, "tile": 32, "pixels": 64, "scan": {"step": 8}})
    made = run_simulator(simulator, 0, host=host, probe_from=tmp_path / "scan.npz")
    np.testing.assert_array_equal(made.probe, scan.probe)
    assert made.pixels == 32
    counts = np.sum(made.amplitudes[:] ** 2, axis=(1, 2), dtype=np.float64).mean()
    # The objects transmit some part of the light.
    assert 0.05e7 < counts < 2e7
    with pytest.raises(InputError, match=r"nowhere\.npz"):
        run_simulator(simulator, 0, host=host, probe_from=tmp_path / "nowhere.npz")
