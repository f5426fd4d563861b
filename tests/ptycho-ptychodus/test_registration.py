"""The distribution's components, found by the host and imported only when used."""

from __future__ import annotations

import numpy as np

from ptycho_host import Host, native
from ptycho_host.config import ComponentChoice
from ptycho_host.testing.scans import simulated_scan
from ptycho_host.workflows.scans import read_scan, scan_maker, write_scan
from ptycho_ptychodus import plugin


def test_each_file_is_recognised_by_its_own_reader_alone(tmp_path):
    host = Host([native, plugin])
    scan = simulated_scan(16)
    names = {
        "ptychodus": "folder",
        "ptychodus-training": "t.h5",
        "ptychodus-npz": "e.npz",
        "hdf5": "s.h5",
        "npz": "s.npz",
    }
    for name, path in names.items():
        write_scan(scan, tmp_path / path, host=host, writer=ComponentChoice(name=name, options={}))
        assert scan_maker(tmp_path / path, host).component.name == name
        np.testing.assert_allclose(read_scan(tmp_path / path, host=host).positions, scan.positions, atol=1e-11)


def test_native_formats_keep_their_suffixes(tmp_path):
    host = Host([native, plugin])
    write_scan(simulated_scan(16), tmp_path / "scan.npz", host=host)
    assert scan_maker(tmp_path / "scan.npz", host).component.name == "npz"
