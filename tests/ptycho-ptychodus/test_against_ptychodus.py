"""Our files opened by Ptychodus 1.7 itself, and its files by us."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest

from ptycho_host.contracts import Reconstruction, Uncertainty
from ptycho_host.data.embedded import siemens_star
from ptycho_host.data.formats.cxi import CxiReader, CxiWriter
from ptycho_host.data.scan import ExperimentGeometry
from ptycho_host.metrics.diffraction import diffraction_agreement
from ptycho_host.records import EpochReport
from ptycho_host.runs.product import write_product
from ptycho_ptychodus.export import ExportReader
from ptycho_ptychodus.training import TrainingReader, TrainingWriter
from ptycho_ptychodus.workspace import WorkspaceReader, WorkspaceWriter

pytestmark = pytest.mark.slow

REWRITE = """
import sys
from pathlib import Path
from ptychodus.api.io import *
from ptychodus.api.plugins import PluginRegistry
from ptychodus.api.reconstruct import ReconstructInput
import numpy as np
here, out = Path(sys.argv[1]), Path(sys.argv[2])
diffraction, product = load_diffraction_data(here / "diffraction.h5"), load_product(here / "product.h5")
out.mkdir()
save_diffraction_data(out / "diffraction.h5", diffraction)
save_product(out / "product.h5", product)
save_product(out / "uncertain.h5", load_product(here / "uncertain.h5"))
given = ReconstructInput(diffraction._patterns, diffraction._bad_pixels, product)
save_training_data(out / "training.h5", given, inpaint_bad_pixels=False)
save_ptychopinn_training_data(out / "export.npz", given, inpaint_bad_pixels=False)
registry = PluginRegistry.load_plugins()
def positions(name, reader):
    product = registry.product_file_readers.get_strategy_by_name(reader).read(here / name)
    return np.array([(position.y_m, position.x_m) for position in product.probe_positions])
cxi = registry.diffraction_file_readers.get_strategy_by_name("CXI").read(here / "scan.cxi")
np.savez(
    out / "seen.npz",
    product=positions("product.h5", "HDF5"),
    training=positions("training.h5", "Ptychodus_Training_Data"),
    cxi=positions("scan.cxi", "CXI"),
    cxi_patterns=next(iter(cxi)).get_patterns(),
)
"""


@pytest.fixture(scope="module")
def scan():
    """A measured scan, put somewhere on a stage, with oblong pixels; its frames began at 5, and the beam faded."""
    scan = siemens_star()()
    per_position = {
        "probe_position_indexes": np.arange(5, scan.count + 5),
        "probe_photon_counts": np.linspace(5e5, 4e5, scan.count),
    }
    geometry = ExperimentGeometry((2.1e-8, 1.9e-8), 8800.0, 1.95, origin_m=(-3e-5, 7e-5))
    return replace(scan, geometry=geometry, per_pattern=per_position)


@pytest.fixture(scope="module")
def folders(ptychodus, scan, tmp_path_factory):
    """Our files, and what Ptychodus made of them."""
    ours = tmp_path_factory.mktemp("ptychodus") / "ours"
    WorkspaceWriter().write(scan, ours)
    TrainingWriter().write(scan, ours / "training.h5")
    CxiWriter().write(scan, ours / "scan.cxi")
    coverage = np.ones(scan.reference.shape, np.float32)
    uncertainty = Uncertainty(0.01 * coverage, np.full_like(coverage, np.nan))
    reconstruction = Reconstruction(scan.reference, coverage, uncertainty=uncertainty)
    history = [EpochReport(1, 0.5, None, 1e-3, 1.0, 0.0, 1.0, 1.0, False)]
    write_product(ours / "uncertain.h5", reconstruction, scan, history)
    theirs = ours.with_name("theirs")
    done = ptychodus.run("python", "-c", REWRITE, ours, theirs, home=ours.parent)
    assert done.returncode == 0, done.stderr
    return ours, theirs


READERS = {
    "workspace": (WorkspaceReader, "."),
    "training": (TrainingReader, "training.h5"),
    "export": (ExportReader, "export.npz"),
}


@pytest.mark.parametrize(("reader", "name"), READERS.values(), ids=READERS.keys())
def test_what_ptychodus_writes_is_the_same_scan(scan, folders, reader, name):
    again = reader().read(folders[1] / name)
    np.testing.assert_array_equal(again.batch(slice(None)), scan.batch(slice(None)))
    # Metres and back in double precision.
    np.testing.assert_allclose(again.positions, scan.positions, atol=1e-9)
    np.testing.assert_array_equal(again.probe, scan.probe)
    np.testing.assert_array_equal(again.reference, scan.reference)
    # The convention shows in the forward simulation: half a pixel beside, the correlation falls below 0.985.
    assert diffraction_agreement(again.reference, again).correlation == pytest.approx(
        diffraction_agreement(scan.reference, scan).correlation, abs=1e-6
    )


def test_stage_indexes_and_photon_counts_come_back(scan, folders):
    again = WorkspaceReader().read(folders[1])
    assert again.geometry.origin_m == pytest.approx(scan.geometry.origin_m, abs=1e-18)
    assert replace(again.geometry, origin_m=None) == replace(scan.geometry, origin_m=None)
    for name, values in scan.per_pattern.items():
        np.testing.assert_array_equal(again.per_pattern[name], values)


@pytest.mark.parametrize("name", ["product.h5", "uncertain.h5"])
def test_ptychodus_writes_the_same_bytes_of_a_product(folders, name):
    with h5py.File(folders[0] / name) as ours, h5py.File(folders[1] / name) as theirs:
        shared = [name for name in theirs if name in ours]
        assert {"object", "probe", "probe_position_x_m", "probe_photon_counts"} <= set(shared)
        for item in shared:
            assert (theirs[item].dtype, theirs[item].shape) == (ours[item].dtype, ours[item].shape), item
            assert theirs[item][()].tobytes() == ours[item][()].tobytes(), item
            assert dict(theirs[item].attrs) == dict(ours[item].attrs), item
        assert {key: theirs.attrs[key] for key in ours.attrs} == dict(ours.attrs)


def test_ptychodus_sees_the_same_positions_in_all_our_files(scan, folders):
    with np.load(folders[1] / "seen.npz") as seen:
        on_stage = scan.positions * scan.geometry.object_pixel_m + scan.geometry.origin_m
        np.testing.assert_allclose(seen["product"], on_stage, rtol=0, atol=1e-18)
        # The others have no place for the stage: there the object's centre is zero.
        centre = scan.geometry.object_centre_m(scan.reference.shape)
        for name in ("training", "cxi"):
            np.testing.assert_allclose(seen[name], seen["product"] - centre, rtol=0, atol=1e-18)
        np.testing.assert_allclose(np.sqrt(seen["cxi_patterns"]).astype(np.float32), scan.batch(slice(None)))


def test_our_cxi_file_states_its_directions(scan, folders):
    again = CxiReader().read(folders[0] / "scan.cxi")
    np.testing.assert_array_equal(again.batch(slice(None)), scan.batch(slice(None)))
    np.testing.assert_array_equal(again.probe, scan.probe)
    np.testing.assert_allclose(again.positions, scan.positions, rtol=0, atol=1e-9)
