"""A run on TensorFlow, as users start it: train, reconstruct, go on, beside a run on Torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_host import load_scan, reconstruct, train
from ptycho_host.workflows.run import Run
from ptycho_host.workflows.train import resume

CONFIG: dict[str, Any] = {
    "backend": "tensorflow",
    "simulator": {"name": "lines", "size": 96},
    "generator": {"name": "pinn", "n_filters_scale": 0.25},
    "loss": "mae",
    "clip": "agc",
    "engine": {"device": "cpu", "prediction_batch": 16},
    "train": {"epochs": 2},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(CONFIG, out=tmp_path_factory.mktemp("runs") / "tensorflow")


@pytest.mark.slow
def test_a_run_has_all_that_a_run_has(run: Run) -> None:
    assert [report.epoch for report in run.history] == [1, 2]
    assert run.metrics["diffraction"]["correlation"] > 0.9
    assert run.bundle.generator.component.backend == "tensorflow"
    assert run.bundle.facts["xla"] is False
    assert all("/" not in name for name in run.bundle.weights)


@pytest.mark.slow
def test_the_run_reconstructs_another_scan(run: Run, tmp_path: Path) -> None:
    from ptycho_host.plugins import Host
    from ptycho_host.workflows.scans import write_scan

    scan = load_scan("siemens_star", limit=40)
    write_scan(scan, tmp_path / "star.npz", host=Host.discover())
    reconstruction = reconstruct(run.path, tmp_path / "star.npz")
    assert reconstruction.object.dtype == np.complex64
    assert reconstruction.amplitude.shape == reconstruction.phase.shape == scan.canvas_shape()
    assert np.isfinite(reconstruction.object).all()


@pytest.mark.slow
def test_a_finished_run_goes_on_to_the_same_end(run: Run) -> None:
    """There is nothing left to train: the weights stay, bit by bit."""
    again = resume(run.path)
    for name, array in run.bundle.weights.items():
        np.testing.assert_array_equal(again.bundle.weights[name], array)


@pytest.mark.slow
def test_both_engines_agree_on_the_scale(run: Run, tmp_path: Path) -> None:
    """The intensity scale is data: the same scan has the same one, whichever library trains, through save and load."""
    on_torch = {"backend": "torch", "generator": "stable_hybrid", "engine": {"device": "cpu"}, "train": {"epochs": 1}}
    other = train({**CONFIG, **on_torch}, out=tmp_path / "torch")
    assert other.bundle.scale == run.bundle.scale
