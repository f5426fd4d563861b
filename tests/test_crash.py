"""Runs that are killed, stopped or disturbed lose nothing: seen from outside, on real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

pytestmark = pytest.mark.slow

SETTINGS = [
    "simulator.size=96",
    "simulator.pixels=32",
    "generator.width=6",
    "generator.modes=4",
    "train.epochs=6",
    "train.checkpoint_interval=0",
    "engine.threads=1",
    "engine.device=cpu",
]
TRAIN = ["train", "--simulate", "lines", *(part for setting in SETTINGS for part in ("--set", setting))]
KILLED_AT = """
import os, signal, sys
from ptycho_host import atomic
from ptycho_host.cli.app import main

# The process kills itself just before or just after the file of that number takes its place.
number, after = int(sys.argv.pop(1)), sys.argv.pop(1) == "after"
written = 0
replace = atomic.Path.replace

def counted(self, target):
    global written
    written += 1
    if written == number and not after:
        os.kill(os.getpid(), signal.SIGKILL)
    result = replace(self, target)
    if written == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

atomic.Path.replace = counted
main()
"""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ptycho_host", *arguments]


def quietly(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def weights(run: Path) -> dict[str, np.ndarray]:
    return load_file(run / "bundle" / "weights.safetensors")


def assert_same_result(run: Path, expected: Path) -> None:
    """Bit by bit: one thread."""
    found, due = weights(run), weights(expected)
    assert found.keys() == due.keys()
    for name, array in due.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    metrics, wanted = (json.loads((place / "metrics.json").read_text()) for place in (run, expected))
    assert metrics["amplitude"] == wanted["amplitude"]
    history = (run / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in history] == [1, 2, 3, 4, 5, 6]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    done = quietly(command(*TRAIN, "--out", "run"), folder)
    assert done.returncode == 0, done.stderr
    return folder / "run"


def finish(folder: Path) -> None:
    """Go on with the run, or start it anew if it was killed before there was anything to go on with."""
    done = quietly(command("train", "--resume", "run"), folder)
    if done.returncode != 0:
        assert "Traceback" not in done.stderr
        assert not (folder / "run" / "environment.json").exists(), done.stderr
        done = quietly(command(*TRAIN, "--out", "again"), folder)
        (folder / "run").rename(folder / "killed")
        (folder / "again").rename(folder / "run")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("after", ["before", "after"])
@pytest.mark.parametrize("number", [1, 4, 7, 18])
def test_a_run_killed_around_a_write_goes_on_to_the_same_result(
    tmp_path: Path, uninterrupted: Path, number: int, after: str
) -> None:
    killed = [sys.executable, "-c", KILLED_AT, str(number), after, *TRAIN, "--out", "run"]
    assert quietly(killed, tmp_path).returncode == -signal.SIGKILL
    finish(tmp_path)
    assert_same_result(tmp_path / "run", uninterrupted)


def test_a_terminated_run_saves_and_says_how_to_go_on(tmp_path: Path, uninterrupted: Path) -> None:
    process = subprocess.Popen(
        command(*TRAIN, "--out", "run"),
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    history = tmp_path / "run" / "history.jsonl"
    while process.poll() is None and not (history.exists() and history.read_text().count("\n") >= 2):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "interrupted; go on with: ptycho train --resume run" in told
    finish(tmp_path)
    assert_same_result(tmp_path / "run", uninterrupted)


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    process = subprocess.Popen(command(*TRAIN, "--set", "train.epochs=100000", "--out", "run"), cwd=tmp_path)
    try:
        while not (tmp_path / "run" / "checkpoints" / "last.safetensors").exists():
            assert process.poll() is None
            time.sleep(0.01)
        second = quietly(command("train", "--resume", "run"), tmp_path)
    finally:
        process.kill()
        process.wait()
    assert second.returncode == 2
    assert second.stderr == "error: another process is at work in run; wait until it has finished, or stop it.\n"
    # The system lets go of what a killed process held: now it is the settings that are refused, not the process.
    third = quietly(command("train", "--resume", "run", "--epochs", "1"), tmp_path)
    assert "train.epochs: 100000 -> 1" in third.stderr
