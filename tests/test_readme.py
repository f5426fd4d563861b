"""What the README shows is what happens: its files are installed, its commands are run, in its order."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_host import load_scan, simulate
from ptycho_host.testing.running import Outcome, call_ptycho

README = "README.md"
SMALL = ("--simulate", "lines", "--set", "simulator.size=96", "--set", "simulator.pixels=32", "--epochs", "1")
SOON = ("--set", "train.time_limit=2")


def run(*command: str) -> Outcome:
    """In this process: programs of their own would take half of the time to import torch."""
    done = call_ptycho(*command)
    assert done.code == 0, f"{shlex.join(command)}\n{done.out}\n{done.err}"
    return done


@pytest.mark.slow
def test_generator_of_the_readme(
    blocks_of: Callable[[str], list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    for block in blocks_of(README):
        if block.mark.startswith("file: "):
            path = source / block.mark.removeprefix("file: ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.content, encoding="utf-8")
    assert sorted(path.name for path in source.rglob("*.*")) == ["net.py", "plugin.py", "pyproject.toml"]
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(site), "."]
    subprocess.run([sys.executable, *install], cwd=source, check=True, timeout=120)

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(site)
    assert "hidden channels" in run("plugins", "show", "generator", "mynet").out
    run("train", *SMALL, "--generator", "mynet", "--set", "generator.width=8", "--out", "run")
    config = (tmp_path / "run" / "config.toml").read_text(encoding="utf-8")
    assert 'name = "mynet"\nwidth = 8' in config


@pytest.mark.slow
def test_commands_of_the_readme(
    blocks_of: Callable[[str], list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = blocks_of(README)
    monkeypatch.chdir(tmp_path)
    scan = simulate("lines", {"size": 112, "pixels": 32, "photons": 1e6})
    names = {
        "counts": np.square(scan.batch(slice(None))),
        "y": scan.positions[:, 0],
        "x": scan.positions[:, 1],
        "probe": scan.probe,
    }
    (own_data,) = (block.content for block in blocks if block.mark == "test: own data")
    exec(compile(own_data, README, "exec"), names)
    assert load_scan("my_scan.npz").count == scan.count

    shown = [command.line for block in blocks if block.language == "console" for command in block.commands()]
    commands = [shlex.split(line)[1:] for line in shown if line.startswith("ptycho ")]
    assert {command[0] for command in commands} >= {"train", "reconstruct", "inspect"}
    for command in commands:
        # How good a whole training is, is not asked here.
        run(*command, *(SOON if command[0] == "train" else ()))
    assert (tmp_path / "runs" / "star" / "report.html").is_file()
    assert (tmp_path / "runs" / "star" / "reconstruction-siemens_star.h5").is_file()


@pytest.mark.slow
def test_the_demo_reaches_what_the_readme_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make demo` with its own settings; the thresholds are those that benchmarks/RESULTS.md reports with room."""
    monkeypatch.chdir(tmp_path)
    run("train", "--generator", "unrolled", "--clip", "agc", "--out", "demo")
    metrics = json.loads((tmp_path / "demo" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["amplitude"]["ssim"] >= 0.99
    assert metrics["phase"]["ssim"] >= 0.97
    assert not metrics["training"]["collapsed"]
