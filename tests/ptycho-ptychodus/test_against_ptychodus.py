"""Our files opened by Ptychodus 1.7 itself, and its files by us."""

from __future__ import annotations

import numpy as np
import pytest

from ptycho_host.data.embedded import siemens_star
from ptycho_host.data.formats.cxi import CxiReader, CxiWriter
from ptycho_host.metrics.diffraction import diffraction_agreement
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
    return siemens_star()()


@pytest.fixture(scope="module")
def folders(ptychodus, scan, tmp_path_factory):
    """Our files, and what Ptychodus made of them."""
    ours = tmp_path_factory.mktemp("ptychodus") / "ours"
    WorkspaceWriter().write(scan, ours)
    TrainingWriter().write(scan, ours / "training.h5")
    CxiWriter().write(scan, ours / "scan.cxi")
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


def test_ptychodus_sees_the_same_positions_in_all_our_files(scan, folders):
    with np.load(folders[1] / "seen.npz") as seen:
        for name in ("training", "cxi"):
            # Training data know no absolute origin, but ours is the object's centre already.
            np.testing.assert_allclose(seen[name], seen["product"], atol=1e-20, rtol=1e-9)
        np.testing.assert_allclose(np.sqrt(seen["cxi_patterns"]).astype(np.float32), scan.batch(slice(None)))


def test_our_cxi_file_states_its_directions(scan, folders):
    assert CxiReader().read(folders[0] / "scan.cxi").fingerprint() == scan.fingerprint()
