"""One small run from end to end with everything that is installed: what it writes, and what can be done with it."""

from __future__ import annotations

import json
import math
import re
import shutil
import sys

import h5py
import numpy as np
import pytest
from safetensors.numpy import load_file

from ptycho_host import Host, Run, load_scan, reconstruct, simulate, train, write_scan
from ptycho_host.config import from_table
from ptycho_host.errors import RunFailedError
from ptycho_host.metrics.region import covered_pixels

pytest.importorskip("torch")

SIMULATOR = {"size": 96, "pixels": 32, "photons": 1e7, "scan": {"step": 8}}
SETTINGS = {
    "seed": 5,
    "simulator": {"name": "lines", **SIMULATOR},
    "generator": {"name": "stable_hybrid", "width": 8, "modes": 4, "blocks": 2},
    "clip": {"name": "agc"},
    "engine": {"device": "cpu", "threads": 1},
    "train": {"epochs": 2, "batch_size": 16},
}

PLUGIN = """
from ptycho_host import hookimpl
from ptycho_host.components import Loss

RECORDS = []
INTERRUPT_AFTER = None

@hookimpl
def ptycho_losses():
    return [Loss("hopeless", summary="Never a number.", target="lab_watch.plugin:hopeless", backend="torch")]

def hopeless():
    return lambda prediction, target: prediction.amplitude.mean() * float("nan")

@hookimpl
def ptycho_run_started(record): RECORDS.append(record)

@hookimpl
def ptycho_epoch_finished(record):
    RECORDS.append(record)
    if INTERRUPT_AFTER == record.report.epoch:
        raise KeyboardInterrupt

@hookimpl
def ptycho_reconstruction_ready(record): RECORDS.append(record)

@hookimpl
def ptycho_run_finished(record): RECORDS.append(record)
"""


@pytest.fixture(scope="module")
def watch(tmp_path_factory):
    """A plugin that observes, interrupts, and brings a loss that fails; installed for this file."""
    site = tmp_path_factory.mktemp("site")
    (site / "lab_watch").mkdir()
    (site / "lab_watch" / "__init__.py").touch()
    (site / "lab_watch" / "plugin.py").write_text(PLUGIN)
    (site / "lab_watch-1.dist-info").mkdir()
    (site / "lab_watch-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-watch\nVersion: 1\n")
    (site / "lab_watch-1.dist-info" / "entry_points.txt").write_text("[ptycho]\nwatch = lab_watch.plugin\n")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(site)
        from lab_watch import plugin

        yield plugin
    for name in ("lab_watch", "lab_watch.plugin"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def host(watch):
    return Host.discover()


@pytest.fixture(scope="module")
def run(host, watch, tmp_path_factory):
    watch.RECORDS.clear()
    finished = train(SETTINGS, out=tmp_path_factory.mktemp("runs") / "run", host=host)
    finished.seen = list(watch.RECORDS)
    return finished


@pytest.fixture(scope="module")
def scan(host):
    return simulate("lines", SIMULATOR, seed=5, host=host)


@pytest.fixture
def quiet(watch, monkeypatch):
    """The observer as at the start, however a test ends."""
    watch.RECORDS.clear()
    monkeypatch.setattr(watch, "INTERRUPT_AFTER", None)
    return watch


# --- the run directory -----------------------------------------------------------------------------------------


def test_the_run_directory_is_complete_and_holds_nothing_half_written(run):
    files = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    assert files >= {
        "config.toml", "environment.json", "history.jsonl", "bundle/bundle.toml", "bundle/weights.safetensors",
        "reconstruction.h5", "metrics.json", "report.html", "figures/reconstruction.png", "figures/diffraction.png",
        "figures/training.png", "figures/uncertainty.png",
    }  # fmt: skip
    assert [name for name in files if name.startswith("checkpoints/")]
    assert [name for name in files if name.rpartition("/")[2].startswith(".")] == [".lock"]
    assert [name for name in files if name.endswith((".pkl", ".pt", ".pth", ".pickle", ".tmp"))] == []
    assert all((run.path / name).stat().st_size > 0 for name in files if name != ".lock")


def test_the_configuration_is_complete(run):
    assert run.config.backend == "torch"
    assert run.config.seed == 5
    assert run.config.generator.options["width"] == 8
    assert run.config.simulator.options["scan"]["pattern"] == "raster", "defaults belong into the record"
    assert run.config.engine is not None
    assert run.config.engine.name


def test_the_environment_says_what_made_the_result(run):
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["seed"] == 5
    assert environment["distributions"]["lab-watch"] == "1"
    assert {"ptycho-host", "ptycho-torch", "ptycho-losses"} <= environment["distributions"].keys()
    assert environment["libraries"]["torch"]
    assert environment["left_out_plugins"] == []


def test_the_history_has_a_line_an_epoch(run):
    assert [report.epoch for report in run.history] == [1, 2]
    assert all(math.isfinite(report.training_loss) and report.training_loss > 0 for report in run.history)


def test_the_metrics_have_all_blocks_and_only_finite_numbers(run):
    def refuse(constant):
        raise AssertionError(f"{constant} in metrics.json")

    metrics = json.loads((run.path / "metrics.json").read_text(), parse_constant=refuse)
    for part in ("amplitude", "phase"):
        assert metrics[part].keys() >= {"ssim", "mae", "mse", "psnr", "frc50"}
        for name in ("ssim", "mae", "mse", "psnr"):
            assert metrics[part][name] is not None or name in metrics[part]["reasons"]
    assert metrics["diffraction"].keys() >= {"correlation", "r_factor"}
    assert metrics["training"].keys() - {"reasons"} == {
        "epochs", "patterns_per_second", "seconds", "final_loss", "collapsed", "peak_memory_mib",
    }  # fmt: skip
    # Tests before this one, in the same process, may have needed more.
    if metrics["training"]["peak_memory_mib"] is None:
        assert "had taken more before" in metrics["training"]["reasons"]["peak_memory_mib"]
    else:
        assert metrics["training"]["peak_memory_mib"] > 50, "MiB"
    assert metrics["training"]["epochs"] == 2
    assert metrics["training"]["collapsed"] is False
    assert metrics["reconstruction"].keys() == {"patterns_per_second", "seconds"}
    assert metrics["uncertainty"].keys() == {"amplitude", "phase", "amplitude_within", "phase_within"}
    assert metrics == run.metrics
    # The untrained generator is the back-projection, which explains the patterns of this scan to more than 0.95.
    assert metrics["diffraction"]["correlation"] > 0.95


def test_the_uncertainty_stands_beside_the_object(run, scan):
    with h5py.File(run.path / "reconstruction.h5") as file:
        amplitude, phase = file["object_amplitude_uncertainty"][:], file["object_phase_uncertainty"][:]
    assert amplitude.shape == phase.shape == (96, 96)
    lit = covered_pixels(scan)
    # Not surer than photons allow, 1e7 of them, and not absurd; at the border a single patch tells of nothing.
    for values, largest in ((amplitude, 1), (phase, np.pi)):
        assert np.isfinite(values[lit]).mean() > 0.95
        assert 5e-4 < np.nanmedian(values[lit]) < largest
    assert "Standard uncertainty" in (run.path / "report.html").read_text(encoding="utf-8")


def test_the_product_has_the_layout_that_ptychodus_opens(run, scan):
    with h5py.File(run.path / "reconstruction.h5") as file:
        for name in ("detector_object_distance_m", "photon_energy_eV", "probe_photon_count", "exposure_time_s",
                     "mass_attenuation_m2_per_kg", "tomography_angle_deg"):  # fmt: skip
            assert file.attrs[name].dtype == np.float64, name
        assert isinstance(file.attrs["name"], str)
        assert isinstance(file.attrs["comments"], str)
        obj, probe = file["object"], file["probe"]
        assert (obj.dtype, obj.shape) == (np.complex64, (1, 96, 96))
        assert (probe.dtype, probe.shape) == (np.complex64, (1, 1, 32, 32))
        assert obj.attrs.keys() >= {"center_x_m", "center_y_m", "pixel_width_m", "pixel_height_m"}
        assert file["object_layer_spacing_m"].shape == (0,)
        assert file["probe_position_indexes"].dtype == np.int64
        assert list(file["probe_position_indexes"]) == list(range(scan.count))
        for axis, side in (("y", "height"), ("x", "width")):
            column = 0 if axis == "y" else 1
            metres = file[f"probe_position_{axis}_m"][:] - obj.attrs[f"center_{axis}_m"]
            # Ptychodus puts the centre of a patch at (N - 1)/2, half a pixel before ours.
            pixels = metres / obj.attrs[f"pixel_{side}_m"] + (96 - 1) / 2
            np.testing.assert_allclose(pixels, scan.positions[:, column] - 0.5, atol=1e-9)
        assert list(file["loss_epochs"]) == [1, 2]
        assert list(file["loss_values"]) == [report.training_loss for report in run.history]
        assert obj.compression is None


def test_the_report_is_one_file(run):
    page = (run.path / "report.html").read_text(encoding="utf-8")
    targets = re.findall(r"""\b(?:src|href)\s*=\s*["']?([^"'\s>]+)""", page)
    assert targets
    assert [target for target in targets if not target.startswith(("data:", "#"))] == []
    assert not re.search(r"<script|<link|@import|url\(\s*['\"]?http", page)
    assert page.count("data:image/png;base64,") >= 3
    assert "stable_hybrid" in page


def test_figures_are_pictures(run):
    for path in (run.path / "figures").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG"), path


# --- observers -------------------------------------------------------------------------------------------------


def test_observers_are_told_in_order(run):
    assert [type(record).__name__ for record in run.seen] == [
        "RunStarted", "EpochFinished", "EpochFinished", "ReconstructionReady", "RunFinished",
    ]  # fmt: skip
    started, first, second, ready, finished = run.seen
    assert started.config["generator"]["name"] == "stable_hybrid"
    assert (first.report, second.report) == tuple(run.history)
    assert ready.path == run.path / "reconstruction.h5"
    assert ready.metrics == run.metrics
    assert ready.reconstruction.object.shape == (96, 96)
    assert (finished.outcome, finished.directory) == ("done", run.path)


# --- using the run ---------------------------------------------------------------------------------------------


def stored_object(path):
    with h5py.File(path) as file:
        return file["object"][0]


def test_the_opened_run_gives_the_object_that_it_wrote(run, scan, host):
    opened = Run.open(run.path, host=host)
    result = opened.reconstruct(scan)
    # The same weights, the same thread, the same scale: the same numbers.
    np.testing.assert_allclose(result.object, stored_object(run.path / "reconstruction.h5"), rtol=0, atol=0)
    np.testing.assert_array_equal(result.amplitude, np.abs(result.object))
    np.testing.assert_array_equal(result.phase, np.angle(result.object))
    assert result.coverage.shape == (96, 96)
    assert result.coverage.max() == pytest.approx(1)
    assert (opened.metrics, opened.history) == (run.metrics, run.history)


def test_the_command_reconstructs_another_scan(run, host, ptycho, refused, tmp_path):
    another = simulate("lines", SIMULATOR, seed=6, host=host)
    write_scan(another, tmp_path / "another.npz", host=host)
    outcome = ptycho("reconstruct", run.path, "another.npz", "--out", "object.h5")
    assert outcome.code == 0
    assert "object  object.h5" in outcome.out
    assert "Amplitude SSIM" in outcome.out
    expected = reconstruct(run.path, tmp_path / "another.npz", host=host).object
    np.testing.assert_array_equal(stored_object(tmp_path / "object.h5"), expected)
    assert "object.h5 exists" in refused("reconstruct", run.path, "another.npz", "--out", "object.h5")
    again = ptycho("reconstruct", run.path, "another.npz", "--out", "object.h5", "--force", "--stitch", "overlap")
    assert again.code == 0
    assert not np.array_equal(stored_object(tmp_path / "object.h5"), expected)


def test_a_scan_of_another_size_is_refused(run, refused):
    message = refused("reconstruct", run.path, "siemens_star", "--out", "object.h5")
    assert "patterns of 64 x 64 pixels, the run was trained for 32 x 32" in message


def test_the_written_configuration_repeats_the_run(run, ptycho, tmp_path):
    outcome = ptycho("train", run.path / "config.toml", "--out", "again")
    assert outcome.code == 0
    assert "report  again/report.html" in outcome.out
    assert "Phase SSIM" in outcome.out
    np.testing.assert_array_equal(
        stored_object(tmp_path / "again" / "reconstruction.h5"), stored_object(run.path / "reconstruction.h5")
    )


@pytest.mark.slow
def test_measured_data_have_no_truth_to_be_compared_with(host, tmp_path):
    settings = {**SETTINGS, "data": {"source": "siemens_star"}, "train": {"epochs": 1}}
    measured = train(settings, out=tmp_path / "run", host=host)
    assert measured.metrics.keys().isdisjoint({"amplitude", "phase"})
    assert measured.metrics["diffraction"]["patterns"] == load_scan("siemens_star", host=host).count
    assert measured.config.data.source == "siemens_star"


# --- when a run ends early -------------------------------------------------------------------------------------


def test_an_interrupted_run_says_how_to_go_on_and_goes_on_to_the_same_end(run, ptycho, quiet, tmp_path, monkeypatch):
    monkeypatch.setattr(quiet, "INTERRUPT_AFTER", 1)
    outcome = ptycho("train", run.path / "config.toml", "--out", "run")
    assert outcome.code == 1
    assert "interrupted; go on with: ptycho train --resume run" in outcome.err
    assert "Traceback" not in outcome.err
    assert quiet.RECORDS[-1].outcome == "interrupted"
    assert not (tmp_path / "run" / "reconstruction.h5").exists()

    monkeypatch.setattr(quiet, "INTERRUPT_AFTER", None)
    assert ptycho("train", "--resume", "run").code == 0
    assert quiet.RECORDS[-1].outcome == "done"
    resumed = Run.open(tmp_path / "run")
    assert [report.epoch for report in resumed.history] == [1, 2]
    # Bitwise, as the design promises for one CPU thread.
    expected = load_file(run.path / "bundle" / "weights.safetensors")
    for name, weights in load_file(resumed.path / "bundle" / "weights.safetensors").items():
        np.testing.assert_array_equal(weights, expected[name], err_msg=name)
    np.testing.assert_array_equal(
        stored_object(resumed.path / "reconstruction.h5"), stored_object(run.path / "reconstruction.h5")
    )


def test_a_run_does_not_go_on_with_other_data(ptycho, quiet, refused, host, tmp_path, monkeypatch):
    write_scan(simulate("lines", SIMULATOR, seed=6, host=host), tmp_path / "scan.npz", host=host)
    write_config = (tmp_path / "run.toml").write_text
    write_config(from_table({**SETTINGS, "data": {"source": "scan.npz"}}).as_toml())
    monkeypatch.setattr(quiet, "INTERRUPT_AFTER", 1)
    assert ptycho("train", "run.toml", "--out", "run").code == 1
    monkeypatch.setattr(quiet, "INTERRUPT_AFTER", None)
    write_scan(simulate("lines", SIMULATOR, seed=7, host=host), tmp_path / "scan.npz", host=host)
    assert "the data of run are not those it was started with" in refused("train", "--resume", "run")


@pytest.fixture
def copied(run, tmp_path):
    """A finished run that may be spoilt."""
    shutil.copytree(run.path, tmp_path / "run")
    return tmp_path / "run"


def test_a_run_goes_on_with_other_settings_only_when_told(copied, ptycho, refused):
    message = refused("train", "--resume", "run", "--epochs", "3", "--set", "train.batch_size=8")
    assert "was started with other settings (train.batch_size: 16 -> 8; train.epochs: 2 -> 3)" in message
    assert "--accept-changes" in message
    outcome = ptycho("train", "--resume", "run", "--epochs", "3", "--accept-changes")
    assert outcome.code == 0, outcome.err
    assert [report.epoch for report in Run.open(copied).history] == [1, 2, 3]
    assert json.loads((copied / "environment.json").read_text())["changes"] == [["train.epochs: 2 -> 3"]]
    # What was accepted is now what the run was started with.
    assert ptycho("train", "--resume", "run").code == 0


def test_a_configuration_edited_by_hand_is_a_change_too(copied, refused):
    edited = (copied / "config.toml").read_text().replace("epochs = 2", "epochs = 5")
    (copied / "config.toml").write_text(edited)
    assert "train.epochs: 2 -> 5" in refused("train", "--resume", "run")


def test_a_run_does_not_write_through_links(copied, refused, tmp_path):
    (copied / "figures").rename(tmp_path / "elsewhere")
    (copied / "figures").symlink_to(tmp_path / "elsewhere")
    assert "run/figures is a link" in refused("train", "--resume", "run")


def test_a_run_that_fails_says_why_and_leaves_no_half_written_files(host, quiet, tmp_path):
    with pytest.raises(RunFailedError) as caught:
        train({**SETTINGS, "loss": "hopeless"}, out=tmp_path / "run", host=host)
    assert any(f"The run stays in {tmp_path / 'run'}" in note for note in caught.value.__notes__)
    assert [type(record).__name__ for record in quiet.RECORDS][-1] == "RunFinished"
    assert (quiet.RECORDS[-1].outcome, quiet.RECORDS[-1].message) == ("failed", str(caught.value))
    files = {str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert files.isdisjoint({"reconstruction.h5", "metrics.json", "report.html", "bundle/bundle.toml"})
    assert [name for name in files if name.rpartition("/")[2].startswith(".")] == [".lock"]


def test_the_command_ends_a_failed_run_with_exit_code_1(ptycho, quiet, run, refused):
    outcome = ptycho("train", run.path / "config.toml", "--loss", "hopeless", "--out", "failed")
    assert outcome.code == 1
    assert "error: " in outcome.err
    assert "The run stays in failed." in outcome.err
    assert "Traceback" not in outcome.err
    assert "holds no trained bundle; was the run finished?" in refused("reconstruct", "failed", "siemens_star")
