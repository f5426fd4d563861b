"""Two real processes on CPUs do what one does with twice the batch; only the first writes and speaks."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from safetensors.numpy import load_file

from ptycho_host import Run, simulate, train, write_scan
from ptycho_host.errors import InputError
from ptycho_host.training.state import read_snapshot
from ptycho_host.workflows.reconstruct import reconstruct_to_file
from ptycho_torch.gathering import shape_of_world

BATCH = 16
SETTINGS: dict[str, Any] = {
    "seed": 3,
    "simulator": {"name": "lines", "size": 80, "pixels": 32, "photons": 1e7, "scan": {"step": 8}},
    "generator": {"name": "stable_hybrid", "width": 8, "modes": 4, "blocks": 1},
    "clip": "agc",
    "stitch": "synchronised",
    "engine": {"device": "cpu", "threads": 1},
    "train": {"epochs": 2, "batch_size": BATCH},
}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
PTYCHO = ["-m", "ptycho_host"]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings as a file, for half the batch a process."""
    from ptycho_host.config import from_table

    path = tmp_path_factory.mktemp("config") / "run.toml"
    path.write_text(from_table(SETTINGS | {"train": {"epochs": 2, "batch_size": BATCH // 2}}).as_toml())
    return path


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(SETTINGS, out=tmp_path_factory.mktemp("runs") / "alone")


def fabrics_own(rank: int) -> dict[str, str]:
    """What Fabric sets for the processes that it starts."""
    return {"LOCAL_RANK": str(rank)}


def slurms(rank: int) -> dict[str, str]:
    """What srun sets for two tasks on one node."""
    job = {"JOB_ID": "4711", "JOB_NAME": "ptycho", "NNODES": "1", "NODEID": "0", "NTASKS": "2", "NTASKS_PER_NODE": "2"}
    task = {"PROCID": str(rank), "LOCALID": str(rank)}
    return {f"SLURM_{name}": value for name, value in (job | task).items()}


def by_hand(
    arguments: list[str], folder: Path, variables: Callable[[int], dict[str, str]] = fabrics_own
) -> list[subprocess.Popen[str]]:
    """Two processes, each with output of its own, that find each other by `variables` of their ranks."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        subprocess.Popen(
            [sys.executable, *PTYCHO, *arguments, "--set", "engine.devices=2"],
            env=ENVIRONMENT | meeting | variables(rank),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


def finished(processes: list[subprocess.Popen[str]]) -> tuple[list[int], list[str], list[str]]:
    """Exit codes, standard outputs and errors."""
    said = [process.communicate(timeout=120) for process in processes]
    return [process.returncode for process in processes], [out for out, _ in said], [err for _, err in said]


def numbers(run: Path, name: str) -> list[Any]:
    return [json.loads(line)[name] for line in (run / "history.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_under_torchrun_two_processes_train_as_one_with_twice_the_batch(
    alone: Run, config: Path, tmp_path: Path
) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, *PTYCHO, "train", str(config), "--out", "two"]
    done = subprocess.run(command, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    # One of them showed progress and the table.
    assert done.stderr.count("training: done") == 1
    assert done.stdout.count("report ") == 1
    two = tmp_path / "two"
    assert {str(path.relative_to(two)) for path in two.rglob("*")} == {
        str(path.relative_to(alone.path)) for path in alone.path.rglob("*")
    }
    # Sums in another order: single precision over some steps.
    for name in ("training_loss", "validation_loss", "gradient_norm", "clipped"):
        np.testing.assert_allclose(numbers(two, name), numbers(alone.path, name), rtol=2e-3)
    assert numbers(two, "collapsed") == numbers(alone.path, "collapsed")
    weights, expected = (load_file(run / "bundle" / "weights.safetensors") for run in (two, alone.path))
    for name, array in weights.items():
        np.testing.assert_allclose(array, expected[name], atol=1e-4)
    with h5py.File(two / "reconstruction.h5") as shared, h5py.File(alone.path / "reconstruction.h5") as whole:
        assert np.abs(whole["object"][0]).max() > 0.5
        np.testing.assert_allclose(shared["object"][()], whole["object"][()], atol=1e-3)


@pytest.mark.slow
def test_processes_that_fabric_starts_share_a_reconstruction(alone: Run, tmp_path: Path) -> None:
    other = {"size": 88, "pixels": 32, "photons": 1e7, "scan": {"step": 8}}
    write_scan(simulate("random_field", other, seed=1), tmp_path / "other.npz")
    command = [sys.executable, *PTYCHO, "reconstruct", str(alone.path), "other.npz", "--out", "shared.h5"]
    done = subprocess.run(
        [*command, "--set", "engine.devices=2"],
        env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("object ") == 1
    whole = reconstruct_to_file(alone, tmp_path / "other.npz", None)
    assert whole is not None
    with h5py.File(tmp_path / "shared.h5") as shared:
        np.testing.assert_allclose(shared["object"][0], whole.reconstruction.object, atol=1e-4)


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_and_keeps_the_epochs(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    processes = by_hand(["train", str(config), "--out", "run", "--set", "train.epochs=10000"], tmp_path)
    until(lambda: (run / "history.jsonl").is_file() and len(numbers(run, "epoch")) >= 2)
    processes[1].send_signal(signal.SIGTERM)
    codes, _, said = finished(processes)
    assert codes == [1, 1], said
    assert "interrupted; go on with: ptycho train --resume run" in said[0]
    assert "error" not in said[1]
    assert "interrupted" not in said[1]
    assert read_snapshot(run / "checkpoints" / "last.safetensors")[1].epoch == numbers(run, "epoch")[-1]


@pytest.mark.slow
def test_what_the_first_task_of_slurm_refuses_ends_all_with_one_sentence(config: Path, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").write_text("mine")
    codes, _, said = finished(by_hand(["train", str(config), "--out", "used"], tmp_path, slurms))
    assert codes == [2, 2], said
    assert said[0].count("error: used exists and is not an empty folder") == 1
    assert "error" not in said[1]
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["notes.txt"]


def until(done: Callable[[], bool]) -> None:
    for _ in range(600):
        if done():
            return
        time.sleep(0.1)
    raise AssertionError("nothing happened for a minute")


def test_the_number_of_processes_is_torchruns_unless_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shape_of_world(None, None) == (1, 1)
    assert shape_of_world(2, 3) == (2, 3)
    # What torchrun sets for each of eight processes on two nodes.
    for name, value in {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    assert shape_of_world(None, None) == (4, 2)
    assert shape_of_world(4, 2) == (4, 2)
    with pytest.raises(InputError, match=r"torchrun started 8 process\(es\).* is 2 x 2; set engine.devices=4"):
        shape_of_world(2, None)
