"""What observers see of a run on its way, and that looking changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest

from ptycho_host import Host, hookimpl, train
from ptycho_host.config import from_table

SETTINGS = {
    "seed": 5,
    "simulator": {"name": "lines", "size": 64, "pixels": 32, "photons": 1e7, "scan": {"step": 8}},
    "clip": "agc",
    "train": {"epochs": 2, "batch_size": 8},
}
BACKENDS = {
    "torch": {
        "generator": {"name": "stable_hybrid", "width": 8, "modes": 4, "blocks": 1},
        "engine": {"device": "cpu", "threads": 1},
    },
    "tensorflow": {
        "generator": {"name": "pinn", "n_filters_scale": 0.25},
        "engine": {"device": "cpu", "trainable_probe": True},
    },
}
PLUGIN = """
import numpy as np
from ptycho_host import hookimpl

@hookimpl
def ptycho_epoch_finished(record):
    preview = record.preview()
    np.save(record.directory.parent / f"epoch{record.report.epoch}.npy", preview.reconstruction.object)
"""


class Watcher:
    """Looks at every epoch, twice, and keeps the records."""

    def __init__(self):
        self.records, self.previews = [], []

    @hookimpl
    def ptycho_epoch_finished(self, record):
        self.records.append(record)
        self.previews.append(record.preview())
        assert record.preview() is self.previews[-1]


@pytest.fixture(scope="module", params=["torch", pytest.param("tensorflow", marks=pytest.mark.slow)])
def settings(request):
    pytest.importorskip(request.param)
    return {**SETTINGS, "backend": request.param, **BACKENDS[request.param]}


@pytest.fixture(scope="module")
def alone(settings, tmp_path_factory):
    """A run that nobody looks at."""
    return train(settings, out=tmp_path_factory.mktemp("alone") / "run")


@pytest.fixture(scope="module")
def watched(settings, tmp_path_factory):
    """The same run, and what was seen of it."""
    host, watcher = Host.discover(), Watcher()
    host.add(watcher)
    return train(settings, out=tmp_path_factory.mktemp("watched") / "run", host=host), watcher


def test_a_training_is_the_same_bit_by_bit_when_it_is_watched(alone, watched):
    run, watcher = watched
    assert len(watcher.previews) == 2
    for name, array in alone.bundle.weights.items():
        np.testing.assert_array_equal(run.bundle.weights[name], array)
    unclocked = [
        [replace(report, seconds=0, patterns_per_second=0) for report in found.history] for found in (run, alone)
    ]
    assert unclocked[0] == unclocked[1]
    np.testing.assert_array_equal(stored_object(run), stored_object(alone))


def test_previews_lead_to_what_the_run_reconstructs(watched):
    run, watcher = watched
    first, last = (preview.reconstruction.object for preview in watcher.previews)
    np.testing.assert_array_equal(last, stored_object(run))
    assert not np.array_equal(first, last)
    assert watcher.previews[0].scan.canvas_shape() == first.shape == (64, 64)


def test_a_preview_is_made_inside_the_hook_or_not_at_all(tmp_path):
    pytest.importorskip("torch")
    kept = []

    class Later:
        @hookimpl
        def ptycho_epoch_finished(self, record):
            kept.append(record)

    host = Host.discover()
    host.add(Later())
    train({**SETTINGS, **BACKENDS["torch"], "train": {"epochs": 1}}, out=tmp_path / "run", host=host)
    with pytest.raises(RuntimeError, match="ask for a preview inside the hook"):
        kept[0].preview()


def test_what_observers_take_is_no_time_of_training(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    clock, gone = time.monotonic, []
    monkeypatch.setattr(time, "monotonic", lambda: clock() + sum(gone))

    class Slow:
        @hookimpl
        def ptycho_epoch_finished(self, record):
            gone.append(3600.0)

    host = Host.discover()
    host.add(Slow())
    limited = {**SETTINGS, **BACKENDS["torch"], "train": {"epochs": 2, "time_limit": 600}}
    run = train(limited, out=tmp_path / "run", host=host)
    assert len(run.history) == 2
    assert run.metrics["training"]["seconds"] < 600


@pytest.mark.slow
def test_of_two_processes_the_first_one_looks_and_the_other_waits(tmp_path):
    pytest.importorskip("torch")
    site = tmp_path / "site"
    (site / "lab_look-1.dist-info").mkdir(parents=True)
    (site / "lab_look.py").write_text(PLUGIN)
    (site / "lab_look-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-look\nVersion: 1\n")
    (site / "lab_look-1.dist-info" / "entry_points.txt").write_text("[ptycho]\nlook = lab_look\n")
    (tmp_path / "run.toml").write_text(from_table({**SETTINGS, **BACKENDS["torch"]}).as_toml())
    done = subprocess.run(
        [sys.executable, "-m", "ptycho_host", "train", "run.toml", "--set", "engine.devices=2", "--out", "run"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(site)},
        cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "failed with" not in done.stderr
    first, last = (np.load(tmp_path / f"epoch{epoch}.npy") for epoch in (1, 2))
    assert not np.array_equal(first, last)
    with h5py.File(tmp_path / "run" / "reconstruction.h5") as file:
        # Stitched in two stretches at the end, in one for the preview: sums in another order.
        np.testing.assert_allclose(last, file["object"][0], atol=1e-4)


def stored_object(run):
    with h5py.File(run.path / "reconstruction.h5") as file:
        return file["object"][0]
