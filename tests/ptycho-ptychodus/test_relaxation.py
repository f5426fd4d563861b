"""Probes that vary over the scan: their mean is used, and how much that leaves out is said."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from ptycho_host.errors import DataError
from ptycho_host.testing.scans import simulated_scan
from ptycho_ptychodus.relaxation import MeanProbe
from ptycho_ptychodus.workspace import WorkspaceReader, WorkspaceWriter


def waves(*shape):
    rng = np.random.default_rng(4)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)


def test_the_mean_and_its_share_are_those_of_the_probes_at_the_positions():
    probe, weights = waves(3, 2, 8, 8), np.random.default_rng(5).uniform(-0.5, 1, (40, 3))
    found = MeanProbe.of(probe, weights)
    at_positions = np.stack([np.tensordot(row, probe[:, 0], axes=1) for row in weights])
    mean = at_positions.mean(axis=0)
    np.testing.assert_allclose(found.modes[0], mean, atol=1e-6)
    np.testing.assert_array_equal(found.modes[1], probe[0, 1])
    varying = np.sum(np.abs(at_positions - mean) ** 2) / np.sum(np.abs(at_positions) ** 2)
    assert found.varying == pytest.approx(varying, rel=1e-5)


@pytest.mark.parametrize("shape", [(8, 8), (2, 8, 8), (1, 2, 8, 8), (3, 2, 8, 8)])
def test_without_weights_the_first_coherent_mode_is_the_probe(shape):
    probe = waves(*shape)
    found = MeanProbe.of(probe, None)
    assert (found.varying, found.said) == (0, [])
    first = probe[0] if len(shape) == 4 else probe.reshape(-1, 8, 8)
    np.testing.assert_array_equal(found.modes, first)


def test_a_product_with_a_varying_probe_is_read_and_says_so(tmp_path):
    scan = simulated_scan(16)
    WorkspaceWriter().write(scan, tmp_path / "scan")
    with h5py.File(tmp_path / "scan" / "product.h5", "r+") as file:
        attributes = dict(file["probe"].attrs)
        del file["probe"]
        file["probe"] = np.stack([scan.probe, 1j * scan.probe])[:, None]
        file["probe"].attrs.update(attributes)
        even = np.arange(scan.count) % 2
        file["opr_weights"] = np.stack([np.full(scan.count, 1.0), even - even.mean()], axis=1)
    again = WorkspaceReader().read(tmp_path / "scan")
    np.testing.assert_allclose(again.probe, scan.probe, atol=1e-6 * np.abs(scan.probe).max())
    # Half of the patterns 0.5 and half -0.5 of the same power: 1 / 1.25.
    assert again.metadata["probe used"] == (
        "The probe varies over the scan (OPR); its mean is used, with 80.0% of its power."
    )
    with h5py.File(tmp_path / "scan" / "product.h5", "r+") as file:
        del file["opr_weights"]
        file["opr_weights"] = np.ones((scan.count, 3))
    with pytest.raises(DataError, match=r"opr_weights has shape \(25, 3\) for 2 coherent modes"):
        WorkspaceReader().read(tmp_path / "scan")
