"""The demo that runs both back-ends from Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[1] / "examples" / "both_backends.py"


@pytest.mark.slow
def test_one_script_runs_both_backends_and_prints_one_table(tmp_path: Path) -> None:
    small = ["--size", "96", "--pixels", "32", "--seconds", "1", "--out", "runs"]
    done = subprocess.run(
        [sys.executable, str(DEMO), *small],
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "160", "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == ["stable_hybrid", "(torch)", "pinn", "(tensorflow)"]
    (ssim,) = [line.split() for line in lines if line.startswith("Amplitude SSIM")]
    assert all(0 < float(value) <= 1 for value in ssim[2:])
    assert len(ssim) == 4, "one figure of each back-end"
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["scan.npz", "tensorflow", "torch"]
