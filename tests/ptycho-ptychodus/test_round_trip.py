"""What is written for Ptychodus reads back, and nothing is lost."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest

from ptycho_host.data.formats.cxi import CxiReader, CxiWriter
from ptycho_host.data.formats.hdf5 import Hdf5Reader, Hdf5Writer
from ptycho_host.data.formats.mat import MatReader, MatWriter
from ptycho_host.data.formats.npz import NpzReader, NpzWriter
from ptycho_host.data.scan import ExperimentGeometry
from ptycho_host.errors import DataError
from ptycho_host.testing.scans import simulated_scan
from ptycho_ptychodus.export import ExportReader, ExportWriter
from ptycho_ptychodus.training import TrainingReader, TrainingWriter
from ptycho_ptychodus.workspace import WorkspaceReader, WorkspaceWriter

FORMATS = {
    "workspace": (WorkspaceWriter, WorkspaceReader, "scan"),
    "training": (TrainingWriter, TrainingReader, "scan.h5"),
    "export": (ExportWriter, ExportReader, "scan.npz"),
}


def full_scan():
    """A scan with all that a scan can have; sub-pixel positions, counts that are no whole numbers."""
    scan = simulated_scan(16)
    bad = np.zeros((16, 16), dtype=bool)
    bad[3, 5] = bad[8, 8] = True
    rng = np.random.default_rng(2)
    return replace(
        scan,
        name="scan",
        amplitudes=np.where(bad, 0, scan.amplitudes * rng.uniform(0.9, 1, scan.amplitudes.shape)).astype(np.float32),
        positions=scan.positions + rng.uniform(-0.4, 0.4, scan.positions.shape),
        reference=(scan.truth * 2).astype(np.complex64),
        bad_pixels=bad,
        per_pattern={"scan_index": np.arange(scan.count), "monitor": rng.uniform(size=scan.count)},
        extras={"flat field": rng.uniform(size=(16, 16))},
    )


def assert_same(again, scan):
    np.testing.assert_array_equal(again.batch(slice(None)), scan.batch(slice(None)))
    # Metres and back: a few units in the last place.
    np.testing.assert_allclose(again.positions, scan.positions, rtol=1e-13, atol=1e-11)
    for name in ("probe", "truth", "reference", "bad_pixels"):
        found, due = getattr(again, name), getattr(scan, name)
        assert (found is None) == (due is None), name
        if due is not None:
            np.testing.assert_array_equal(found, due)
    assert (again.geometry, again.metadata) == (scan.geometry, scan.metadata)
    for name in ("per_pattern", "extras"):
        for key, due in getattr(scan, name).items():
            np.testing.assert_array_equal(getattr(again, name)[key], due)


@pytest.mark.parametrize(("writer", "reader", "name"), FORMATS.values(), ids=FORMATS.keys())
def test_nothing_is_lost(tmp_path, writer, reader, name):
    scan = full_scan()
    writer().write(scan, tmp_path / name)
    assert reader().recognises(tmp_path / name)
    assert_same(reader().read(tmp_path / name), scan)


@pytest.mark.parametrize(("writer", "reader", "name"), FORMATS.values(), ids=FORMATS.keys())
def test_a_bare_scan_stays_bare(tmp_path, writer, reader, name):
    scan = replace(simulated_scan(16), truth=None, geometry=None, metadata={}, name="scan")
    # As far as the canvas reaches beyond the patches without an object.
    writer().write(scan, tmp_path / name)
    assert_same(reader().read(tmp_path / name), scan)


CHAIN = {
    "npz": (NpzWriter, NpzReader, "scan.npz"),
    "hdf5": (Hdf5Writer, Hdf5Reader, "scan.h5"),
    "mat": (MatWriter, lambda: MatReader(pattern_axis="last"), "scan.mat"),
    "cxi": (CxiWriter, CxiReader, "scan.cxi"),
    **{name: FORMATS[name] for name in ("training", "export")},
}


@pytest.mark.parametrize(("writer", "reader", "name"), CHAIN.values(), ids=CHAIN.keys())
def test_through_another_format_and_back_nothing_moves_on_the_stage(tmp_path, writer, reader, name):
    geometry = ExperimentGeometry((1.5e-8, 1.25e-8), 8300.0, 1.9, origin_m=(-2e-3, 4e-3))
    scan = replace(simulated_scan(16), geometry=geometry)
    WorkspaceWriter().write(scan, tmp_path / "before")
    writer().write(WorkspaceReader().read(tmp_path / "before"), tmp_path / name)
    WorkspaceWriter().write(reader().read(tmp_path / name), tmp_path / "after")
    places = []
    for folder in ("before", "after"):
        with h5py.File(tmp_path / folder / "product.h5") as file:
            centre = [file["object"].attrs[f"center_{axis}_m"] for axis in "yx"]
            places.append([centre, *(file[f"probe_position_{axis}_m"][()] for axis in "yx")])
    for before, after in zip(*places, strict=True):
        # A few units in the last place of 4 mm; an object pixel is 10 nm.
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-17)


def test_whole_counts_are_stored_as_whole_numbers(tmp_path):
    scan = simulated_scan(16)
    WorkspaceWriter().write(scan, tmp_path / "scan")
    with h5py.File(tmp_path / "scan" / "diffraction.h5") as file:
        assert file["patterns"].dtype == np.uint32
        np.testing.assert_array_equal(file["patterns"][()], np.rint(scan.amplitudes.astype(float) ** 2))


def test_either_file_leads_to_the_other(tmp_path):
    scan = simulated_scan(16)
    WorkspaceWriter().write(scan, tmp_path / "scan")
    (tmp_path / "scan" / "diffraction.h5").rename(tmp_path / "elsewhere.h5")
    with pytest.raises(DataError, match=r"add --set data\.reader\.diffraction=FILE"):
        WorkspaceReader().read(tmp_path / "scan" / "product.h5")
    reader = WorkspaceReader(diffraction=tmp_path / "elsewhere.h5")
    assert reader.read(tmp_path / "scan" / "product.h5").fingerprint() == scan.fingerprint()
    reader = WorkspaceReader(product=tmp_path / "scan" / "product.h5")
    assert reader.read(tmp_path / "elsewhere.h5").fingerprint() == scan.fingerprint()


def test_patterns_find_their_positions_by_index(tmp_path):
    scan = simulated_scan(16)
    WorkspaceWriter().write(scan, tmp_path / "scan")
    with h5py.File(tmp_path / "scan" / "product.h5", "r+") as file:
        for name in ("probe_position_indexes", "probe_position_x_m", "probe_position_y_m"):
            file[name][...] = file[name][()][::-1]
    again = WorkspaceReader().read(tmp_path / "scan")
    np.testing.assert_allclose(again.positions, scan.positions, atol=1e-11)
    with h5py.File(tmp_path / "scan" / "product.h5", "r+") as file:
        file["probe_position_indexes"][7] = 1000
    with pytest.raises(DataError, match=r"lacks 1 of the patterns' indexes \(first: 17\)"):
        WorkspaceReader().read(tmp_path / "scan")


def test_of_several_modes_one_is_chosen_aloud(tmp_path):
    scan = simulated_scan(16)
    WorkspaceWriter().write(scan, tmp_path / "scan")
    with h5py.File(tmp_path / "scan" / "product.h5", "r+") as file:
        attributes = dict(file["probe"].attrs)
        del file["probe"]
        file["probe"] = np.stack([scan.probe, scan.probe / 3])[None]
        file["probe"].attrs.update(attributes)
    with pytest.raises(DataError, match=r"holds 2 modes with 90%, 10% of the power.*data\.reader\.mode=0"):
        WorkspaceReader().read(tmp_path / "scan")
    np.testing.assert_array_equal(WorkspaceReader(mode=1).read(tmp_path / "scan").probe, scan.probe / 3)


def test_near_field_scans_are_refused(tmp_path):
    WorkspaceWriter().write(simulated_scan(16), tmp_path / "scan")
    with h5py.File(tmp_path / "scan" / "product.h5", "r+") as file:
        file.attrs["far_field"] = True
    WorkspaceReader().read(tmp_path / "scan")
    with h5py.File(tmp_path / "scan" / "product.h5", "r+") as file:
        file.attrs["far_field"] = False
    with pytest.raises(DataError, match="far_field is False, and only far-field scans can be used"):
        WorkspaceReader().read(tmp_path / "scan")
