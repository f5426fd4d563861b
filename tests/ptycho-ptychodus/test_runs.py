"""Our runs on folders of Ptychodus: train on one, reconstruct one into another, and hand a product over at the end."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest

from ptycho_host import Host, hookimpl, train
from ptycho_host.config import RunConfig
from ptycho_host.metrics.diffraction import diffraction_agreement
from ptycho_host.plugins.problems import PluginWarning
from ptycho_host.records import RunStarted
from ptycho_host.runs.product import read_product
from ptycho_host.testing.running import call_ptycho
from ptycho_host.testing.scans import simulated_scan
from ptycho_ptychodus import plugin
from ptycho_ptychodus.workspace import WorkspaceReader, WorkspaceWriter

pytest.importorskip("torch")

SMALL = ("--epochs", "1", "--device", "cpu", "--set", "engine.threads=1", "--set", "generator.width=8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An input folder as a beamline leaves it: indexes with gaps, a stage far from zero, counts, two probe modes."""
    folder = tmp_path_factory.mktemp("runs")
    scan = simulated_scan(16)
    WorkspaceWriter().write(scan, folder / "in")
    with h5py.File(folder / "in" / "product.h5", "r+") as file:
        attributes = dict(file["probe"].attrs)
        del file["probe"]
        file["probe"] = np.stack([scan.probe, scan.probe / 3])[None]
        file["probe"].attrs.update(attributes)
        file["probe_position_indexes"][...] = 7 + 2 * np.arange(scan.count)
        file["probe_photon_counts"] = np.linspace(900, 1100, scan.count)
        for axis, metres in (("x", 3e-4), ("y", -2e-4)):
            file[f"probe_position_{axis}_m"][...] += metres
            file["object"].attrs[f"center_{axis}_m"] += metres
    with h5py.File(folder / "in" / "diffraction.h5", "r+") as file:
        file["indexes"][...] = 7 + 2 * np.arange(scan.count)
    return folder


@pytest.fixture(scope="module")
def run(folder):
    """A run on it, with the observer."""
    outcome = call_ptycho(
        *("train", "--data", folder / "in", "--out", folder / "run", *SMALL),
        *("--set", "data.reader.mode=0", "--set", f"observers.ptychodus.product={folder / 'shown' / 'product.h5'}"),
    )
    assert outcome.code == 0, outcome.err
    return folder / "run"


def assert_same_places(found, given):
    """Indexes, metres, counts and the place of the object are those of the given product."""
    with h5py.File(found) as ours, h5py.File(given) as theirs:
        np.testing.assert_array_equal(ours["probe_position_indexes"], theirs["probe_position_indexes"])
        np.testing.assert_array_equal(ours["probe_photon_counts"], theirs["probe_photon_counts"])
        for axis in "xy":
            name = f"probe_position_{axis}_m"
            # To pixels and back, in double precision, at a distance of 30,000 pixels.
            np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-15)
            key = f"center_{axis}_m"
            assert ours["object"].attrs[key] == pytest.approx(theirs["object"].attrs[key], abs=1e-15)
        assert ours["object"].shape == theirs["object"].shape


def test_the_observer_leaves_the_product_where_it_was_asked_for(run, folder):
    shown = folder / "shown" / "product.h5"
    assert shown.read_bytes() == (run / "reconstruction.h5").read_bytes()
    with h5py.File(shown) as file:
        assert file["loss_epochs"][()].tolist() == [1]
        assert np.isfinite(file["loss_values"][()]).all()
    assert_same_places(shown, folder / "in" / "product.h5")


def losses_in(path):
    with h5py.File(path) as file:
        return file["loss_epochs"][()].tolist()


def test_products_of_epochs_are_written_on_the_way(folder, tmp_path):
    shown, seen = tmp_path / "shown.h5", []

    class Beamline:
        """Looks into the folder after each epoch."""

        @hookimpl
        def ptycho_epoch_finished(self, record):
            seen.append(losses_in(shown) if shown.exists() else None)
            if record.report.epoch == 2:
                shutil.copy(shown, tmp_path / "second.h5")

    host = Host.discover()
    host.add(Beamline())
    config = {
        "data": {"source": str(folder / "in"), "reader": {"mode": 0}},
        "generator": {"name": "stable_hybrid", "width": 8},
        "engine": {"device": "cpu", "threads": 1},
        "train": {"epochs": 3},
        "observers": {"ptychodus": {"product": str(shown), "every": 2}},
    }
    trained = train(config, out=tmp_path / "run", host=host)
    assert seen == [None, [1, 2], [1, 2]]
    assert losses_in(shown) == [1, 2, 3]
    assert_same_places(tmp_path / "second.h5", folder / "in" / "product.h5")
    scan = WorkspaceReader(mode=0).read(folder / "in")
    second, last = (read_product(path).object for path in (tmp_path / "second.h5", shown))
    assert not np.array_equal(second, last)
    # The object of the epoch, not of the start: it explains the patterns nearly as well as the last one.
    correlations = [diffraction_agreement(obj, scan).correlation for obj in (second, last)]
    assert correlations[0] == pytest.approx(correlations[1], abs=0.02)
    assert trained.metrics["diffraction"]["correlation"] == pytest.approx(correlations[1], abs=1e-6)


def test_a_product_that_cannot_be_written_stops_no_run(tmp_path):
    (tmp_path / "file").touch()
    outcome = call_ptycho(
        *("train", "--simulate", "lines", "--set", "simulator.size=64", "--set", "simulator.pixels=32", *SMALL),
        *("--set", "observers.ptychodus.every=1", "--set", f"observers.ptychodus.product={tmp_path / 'file' / 'p.h5'}"),
        *("--out", tmp_path / "run"),
    )
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("ptycho_epoch_finished failed with") == 1
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_wrong_setting_of_the_observer_is_told_before_the_run(tmp_path):
    config = RunConfig(observers={"ptychodus": {"prodct": "x.h5"}})
    with pytest.warns(PluginWarning, match=r"observer 'ptychodus' has no option 'prodct'. Did you mean 'product'\?"):
        Host([plugin]).notify(RunStarted(tmp_path, config.as_table()))


def test_a_folder_is_reconstructed_into_a_folder(run, folder):
    without = call_ptycho("reconstruct", run, folder / "in", "--out", folder / "out")
    assert without.code == 2
    assert "holds 2 modes with 90%, 10% of the power" in without.err
    assert not (folder / "out").exists()
    outcome = call_ptycho("reconstruct", run, folder / "in", "--out", folder / "out", "--set", "data.reader.mode=0")
    assert outcome.code == 0, outcome.err
    assert_same_places(folder / "out" / "product.h5", folder / "in" / "product.h5")


def test_the_product_and_the_patterns_make_the_scan_again(run, folder):
    shutil.copytree(folder / "in", folder / "again")
    shutil.copy(run / "reconstruction.h5", folder / "again" / "product.h5")
    given = WorkspaceReader(mode=0).read(folder / "in")
    again = WorkspaceReader().read(folder / "again")
    np.testing.assert_allclose(again.positions, given.positions, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(again.probe, given.probe)
    np.testing.assert_array_equal(again.reference, read_product(run / "reconstruction.h5").object)
