"""An environment with Ptychodus itself, which wants other packages than we do."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

VERSION = "1.7.0"
INDEX_FAILS = ("No matching distribution found for ptychodus", "Max retries exceeded", "Connection")


@dataclass(frozen=True)
class PtychodusEnvironment:
    """A virtual environment with Ptychodus and wheels of ours; what both need comes from the environment of the tests.

    That saves half of the installation, torch above all, which Ptychodus does not even ask for.
    """

    folder: Path

    def run(self, program: str, *arguments: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
        """A program of the environment such as `python` or `ptychodus`, without a screen and in an empty home."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PTYCHO_", "PYTHON"))}
        alone = {"HOME": str(home), "QT_QPA_PLATFORM": "offscreen", "PYTHONNOUSERSITE": "1"}
        command = [str(self.folder / "bin" / program), *map(str, arguments)]
        return subprocess.run(
            command, cwd=home, env=clean | alone, capture_output=True, text=True, timeout=600, check=False
        )


@pytest.fixture(scope="session")
def ptychodus(request: pytest.FixtureRequest, wheelhouse: Path) -> PtychodusEnvironment:
    """Made once and kept in pytest's cache: about half a minute and 250 MB the first time, 3 s afterwards."""
    packages = sysconfig.get_paths()["purelib"]
    key = hashlib.sha256(f"{VERSION} {sys.version} {packages}".encode()).hexdigest()[:12]
    folder = Path(request.config.cache.mkdir("ptychodus")) / key
    complete = folder / "complete"
    if not complete.is_file():
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True, timeout=120)
        (site,) = folder.glob("lib/python*/site-packages")
        # Only the folder itself: editable installations in it are not followed.
        (site / "of_the_tests.pth").write_text(f"{packages}\n", encoding="utf-8")
        _pip(folder, "install", "--no-compile", f"ptychodus[gui]=={VERSION}")
        complete.touch()
    _pip(folder, "install", "--no-deps", "--no-index", "--ignore-installed", *wheelhouse.glob("*.whl"))
    return PtychodusEnvironment(folder)


def _pip(folder: Path, *arguments: str | Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", folder / "bin" / "python", *arguments]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode != 0 and any(sign in done.stderr for sign in INDEX_FAILS):
        pytest.skip(f"Ptychodus {VERSION} cannot be installed, because the package index cannot be reached.")
    assert done.returncode == 0, done.stderr
