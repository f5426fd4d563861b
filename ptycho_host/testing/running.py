"""`ptycho` as a program of its own, and inside this process."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from unittest.mock import patch


@dataclass(frozen=True, slots=True)
class Outcome:
    """How `ptycho` ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def run_ptycho(*arguments: object, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m ptycho_host ARGUMENTS` in `folder`, with a terminal of 200 columns."""
    return subprocess.run(
        [sys.executable, "-m", "ptycho_host", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def call_ptycho(*arguments: object) -> Outcome:
    """`ptycho ARGUMENTS` in this process and folder; what is no error of the user's comes through as it was raised."""
    from ptycho_host.cli.app import main

    out, err = StringIO(), StringIO()
    code = 0
    with patch.object(sys, "argv", ["ptycho", *map(str, arguments)]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    return Outcome(code, out.getvalue(), err.getvalue())
