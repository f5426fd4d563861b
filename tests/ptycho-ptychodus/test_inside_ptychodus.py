"""The stock Ptychodus 1.7 trains and reconstructs with our generators, headless and in its window."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from ptycho_host.data.embedded import siemens_star
from ptycho_host.metrics.diffraction import diffraction_agreement
from ptycho_host.runs.product import read_product
from ptycho_host.workflows.run import Run
from ptycho_ptychodus.export import ExportReader
from ptycho_ptychodus.training import TrainingReader
from ptycho_ptychodus.workspace import WorkspaceReader, WorkspaceWriter

pytestmark = pytest.mark.slow

SETTINGS = """[Processing]
Algorithm = ptycho-host_stable_hybrid

[PtychoHost]
epochs = 3
device = cpu
further_settings = engine.threads=1 generator.width=16
"""


@pytest.fixture(scope="module")
def scan():
    return siemens_star()()


@pytest.fixture(scope="module")
def folder(ptychodus, scan, tmp_path_factory):
    """All that `beamline.py` leaves."""
    folder = tmp_path_factory.mktemp("beamline")
    WorkspaceWriter().write(scan, folder / "in")
    (folder / "in" / "settings.ini").write_text(SETTINGS, encoding="utf-8")
    done = ptychodus.run("python", Path(__file__).with_name("beamline.py"), folder, home=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "log.txt").write_text(done.stdout, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def seen(folder):
    return json.loads((folder / "seen.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def log(folder):
    return (folder / "log.txt").read_text(encoding="utf-8")


def test_every_generator_with_an_engine_is_a_reconstructor(seen):
    names = {f"ptycho-host_{name}" for name in ("stable_hybrid", "hybrid", "fno", "pinn", "baseline")}
    assert names <= set(seen["reconstructors"])


def test_training_leaves_a_model_and_a_run(folder, seen, log):
    assert seen["train"] == 0
    run = Run.open(folder / "trained" / "run")
    assert (folder / "trained" / "run" / "report.html").is_file()
    # The losses travel: Ptychodus logs the same figures that the run has.
    for report in run.history:
        assert f"ptycho-host: epoch {report.epoch}: loss {report.training_loss:.5g}" in log


def test_without_a_model_it_says_what_to_do(folder, seen, log):
    assert seen["untrained"] == 1
    assert "no model is loaded; train first (ptychodus -b train), or put model.ptycho into the input folder" in log
    assert not list((folder / "untrained").glob("*.h5"))


def test_the_product_explains_the_measured_patterns(folder, seen, scan):
    assert seen["reconstruct"] == 0
    (product,) = (folder / "out").glob("product.*.h5")
    shutil.copy(folder / "in" / "diffraction.h5", folder / "out" / "diffraction.h5")
    shutil.copy(product, folder / "out" / "product.h5")
    again = WorkspaceReader().read(folder / "out")
    np.testing.assert_allclose(again.positions, scan.positions, rtol=0, atol=1e-9)
    # A uniform object gives 0.87, the reference of an iterative reconstruction 0.986.
    correlation = diffraction_agreement(again.reference, again).correlation
    assert correlation >= 0.97
    with h5py.File(product) as file:
        assert f"Its patterns correlate {correlation:.4f} with the measured." in file.attrs["comments"]
        assert file["loss_epochs"][()].tolist() == [1, 2, 3]


def test_nothing_in_our_files_is_warned_of(log):
    # About a pixel size that does not follow from energy, distance and detector; and about our part not loading.
    assert "it will reconstruct at the wrong scale" not in log
    assert "cannot be added to Ptychodus" not in log


def test_exported_training_data_are_the_same_scan(folder, scan):
    for reader, name in ((TrainingReader, "training/exported.h5"), (ExportReader, "exported.npz")):
        exported = reader().read(folder / name)
        np.testing.assert_array_equal(exported.batch(slice(None)), scan.batch(slice(None)))
        np.testing.assert_allclose(exported.positions, scan.positions, rtol=0, atol=1e-9)


def test_modes_layers_and_patches_outside_the_object_are_taken(seen):
    found = seen["awkward"]
    # The canvas grows by what the patches need; a pixel's place on the stage does not change.
    assert all(np.less(found["cut"], found["canvas"])) and all(np.less_equal(found["canvas"], found["given"]))
    assert found["off"] < 1e-6
    assert found["mode"] < 1e-3
    assert found["said"] == [
        "Of 2 probe modes, mode 1 is used, with 10% of the power.",
        "The object's 2 layers are not used; the new object has one.",
    ]
    # 0.2 of a probe of the same power, turned: 0.04 / 1.04, and Ptychodus keeps the weights.
    assert found["varying"] == [
        "The probe varies over the scan (OPR); its mean is used, with 96.2% of its power.",
    ]
    assert found["kept"][1] == 2


def test_settings_are_typed_and_chosen_in_the_panel(seen):
    assert {"Epochs:", "Further Settings:", "Stitcher:"} <= set(seen["labels"])
    assert "ptycho-host not found!" not in seen["labels"]
    assert seen["settings"] == {
        "epochs": "2", "batch_size": "8", "learning_rate": "0.002", "loss": "mae", "clip": "agc", "seed": "4",
        "stitch": "overlap", "device": "cpu", "probe_mode": "0",
        "further_settings": "generator.width=8 engine.threads=1",
    }  # fmt: skip


def test_the_buttons_train_and_infer(folder, seen, scan):
    # Without a model there is nothing to infer with; as soon as one is trained there is.
    assert (seen["before"]["Infer"], seen["trained"]["Infer"]) == (False, True)
    run = Run.open(folder / "training" / "run")
    assert (run.config.train.epochs, run.config.train.batch_size, run.config.train.learning_rate) == (2, 8, 0.002)
    assert (run.config.clip.name, run.config.stitch.name, run.config.seed) == ("agc", "overlap", 4)
    assert run.bundle.generator.options.width == 8
    assert seen["epochs"] == 2
    assert all(f"ptycho-host: epoch {report.epoch}: loss {report.training_loss:.5g}" in seen["log"]
               for report in run.history)  # fmt: skip
    assert seen["products"][-1] == "siemens_star_ptycho-host_stable_hybrid"
    inferred = read_product(folder / "inferred.h5").object
    assert inferred.shape == scan.canvas_shape()
    assert diffraction_agreement(inferred, scan).correlation >= 0.97
    with h5py.File(folder / "inferred.h5") as file:
        assert file["loss_values"][()].tolist() == [report.training_loss for report in run.history]
    with Image.open(folder / "window.png") as picture:
        assert min(picture.size) >= 760
