"""Runs that are killed, stopped or disturbed lose nothing: seen from outside, on real processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
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
# Processes of their own, from one that has imported what they all import: that takes longer than these trainings.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["torch", "lightning_fabric", "ptycho_host.cli.app", "ptycho_host.workflows.train"])


class Program:
    """`ptycho ARGUMENTS` as a process in a folder."""

    def __init__(self, arguments: list[str], folder: Path, killed_at: tuple[int, str] | None = None) -> None:
        self._errors = folder / "stderr.txt"
        self.process = PROCESSES.Process(target=_main, args=(arguments, folder, self._errors, killed_at))
        self.process.start()

    def end(self) -> tuple[int | None, str]:
        """Exit code and standard error, when it has finished."""
        self.process.join(timeout=300)
        return self.process.exitcode, self._errors.read_text()


def _main(arguments: list[str], folder: Path, errors: Path, killed_at: tuple[int, str] | None) -> None:
    os.chdir(folder)
    sys.argv = ["ptycho", *arguments]
    with errors.open("w") as file:
        os.dup2(file.fileno(), 2)
        os.dup2(file.fileno(), 1)
    if killed_at is not None:
        _kill_around_write(*killed_at)
    from ptycho_host.cli.app import main

    main()


def _kill_around_write(number: int, when: str) -> None:
    """The process kills itself just before or just after the file of that number takes its place."""
    from ptycho_host import atomic

    written, replace = 0, Path.replace

    def counted(self: Path, target: Path) -> Path:
        nonlocal written
        written += 1
        if written == number and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = replace(self, target)
        if written == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    atomic.Path.replace = counted


def ended(arguments: list[str], folder: Path) -> tuple[int | None, str]:
    return Program(arguments, folder).end()


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
    code, told = ended([*TRAIN, "--out", "run"], folder)
    assert code == 0, told
    return folder / "run"


def finish(folder: Path) -> None:
    """Go on with the run, or start it anew if it was killed before there was anything to go on with."""
    code, told = ended(["train", "--resume", "run"], folder)
    if code != 0:
        assert "Traceback" not in told
        assert not (folder / "run" / "environment.json").exists(), told
        code, told = ended([*TRAIN, "--out", "again"], folder)
        (folder / "run").rename(folder / "killed")
        (folder / "again").rename(folder / "run")
    assert code == 0, told


@pytest.mark.parametrize("after", ["before", "after"])
@pytest.mark.parametrize("number", [1, 4, 7, 18])
def test_a_run_killed_around_a_write_goes_on_to_the_same_result(
    tmp_path: Path, uninterrupted: Path, number: int, after: str
) -> None:
    code, _ = Program([*TRAIN, "--out", "run"], tmp_path, killed_at=(number, after)).end()
    assert code == -signal.SIGKILL
    finish(tmp_path)
    assert_same_result(tmp_path / "run", uninterrupted)


def test_a_terminated_run_saves_and_says_how_to_go_on(tmp_path: Path, uninterrupted: Path) -> None:
    program = Program([*TRAIN, "--out", "run"], tmp_path)
    history = tmp_path / "run" / "history.jsonl"
    while program.process.is_alive() and not (history.exists() and history.read_text().count("\n") >= 2):
        time.sleep(0.01)
    program.process.terminate()
    code, told = program.end()
    assert code == 1
    assert "interrupted; go on with: ptycho train --resume run" in told
    finish(tmp_path)
    assert_same_result(tmp_path / "run", uninterrupted)


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    (at_work := tmp_path / "at work").mkdir()
    out = str(tmp_path / "run")
    process = Program([*TRAIN, "--set", "train.epochs=100000", "--out", out], at_work).process
    try:
        while not (tmp_path / "run" / "checkpoints" / "last.safetensors").exists():
            assert process.is_alive()
            time.sleep(0.01)
        second = ended(["train", "--resume", "run"], tmp_path)
    finally:
        process.kill()
        process.join()
    assert second == (2, "error: another process is at work in run; wait until it has finished, or stop it.\n")
    # The system lets go of what a killed process held: now it is the settings that are refused, not the process.
    _, told = ended(["train", "--resume", "run", "--epochs", "1"], tmp_path)
    assert "train.epochs: 100000 -> 1" in told
