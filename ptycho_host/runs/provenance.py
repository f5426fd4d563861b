"""Where a result comes from: versions, distributions, machine, commit."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ptycho_host.plugins import Host

LIBRARIES = ("numpy", "scipy", "torch", "tensorflow", "h5py", "safetensors")


def environment(host: Host, seed: int) -> dict[str, Any]:
    """What `environment.json` holds, as plain values."""
    distributions = {entry.distribution: entry.version for entry in host.registrations()}
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "python": platform.python_version(),
        "machine": {"host": platform.node(), "system": platform.platform(), "cores": os.cpu_count()},
        "distributions": dict(sorted(distributions.items())),
        "libraries": {name: found for name in LIBRARIES if (found := _installed(name)) is not None},
        "left_out_plugins": [str(problem) for problem in host.problems if problem.left_out],
        "commit": _commit(),
        "seed": seed,
    }


def _installed(distribution: str) -> str | None:
    try:
        return version(distribution)
    except ModuleNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the repository this package is run from; None for an installed wheel."""
    try:
        # A wheel may lie in an environment inside somebody else's repository.
        if not _git("ls-files", Path(__file__).name):
            return None
        return _git("describe", "--always", "--dirty", "--abbrev=40") or None
    except (OSError, subprocess.TimeoutExpired):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
