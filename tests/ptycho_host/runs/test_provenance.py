"""Where a result comes from, as plain values."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import ptycho_host
from ptycho_host import native
from ptycho_host.plugins import Host, PluginWarning
from ptycho_host.runs.provenance import environment


class Misspelt:
    """A plugin that the host leaves out."""

    __name__ = "misspelt.plugin"

    @ptycho_host.hookimpl
    def ptycho_generaters(self):
        return []


def test_it_is_plain_and_holds_versions_machine_and_seed():
    found = environment(Host([native]), 4711)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["seed"] == 4711
    assert found["python"] == platform.python_version()
    assert found["libraries"]["numpy"] == np.__version__
    assert set(found["libraries"]) >= {"scipy", "h5py", "safetensors"}
    assert list(found["distributions"]) == ["ptycho_host"]
    assert found["machine"]["cores"] == os.cpu_count()
    assert found["command"] == sys.argv
    assert datetime.fromisoformat(found["started"]).utcoffset().total_seconds() == 0


def test_installed_distributions_have_their_versions():
    assert environment(Host.discover(), 0)["distributions"]["ptycho-host"] == ptycho_host.__version__


def test_plugins_that_were_left_out_are_told():
    with pytest.warns(PluginWarning, match="misspelt"):
        host = Host([Misspelt()])
    (problem,) = environment(host, 0)["left_out_plugins"]
    assert "misspelt.plugin" in problem
    assert "ptycho_generaters" in problem


PROGRAM = """
from ptycho_host.plugins import Host
from ptycho_host.runs.provenance import environment
import ptycho_host
print(ptycho_host.__file__)
print(environment(Host(), 0)["commit"])
"""


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_is_ours_and_not_that_of_whoever_installed_us(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit():
        place, found = subprocess.run(
            [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, env=variables, cwd=tmp_path
        ).stdout.split()
        assert Path(place).is_relative_to(tmp_path)
        return found

    package = Path(ptycho_host.__file__).parent
    shutil.copytree(package, tmp_path / "ptycho_host", ignore=shutil.ignore_patterns("*.npz", "__pycache__"))
    variables = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    git("init", "--quiet")
    (tmp_path / "theirs.txt").write_text("somebody's project, with our wheel in its environment")
    git("add", "theirs.txt")
    git("commit", "--quiet", "-m", "theirs")
    assert commit() == "None"
    git("add", "ptycho_host")
    git("commit", "--quiet", "-m", "ours")
    assert commit() == git("rev-parse", "HEAD")
    (tmp_path / "theirs.txt").write_text("changed")
    assert re.fullmatch(git("rev-parse", "HEAD") + "-dirty", commit())
