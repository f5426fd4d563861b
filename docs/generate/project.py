"""What the reference is about: the distributions of this repository, all of them and no other."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

from ptycho_host.plugins import LOAD_VARIABLE, Host

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ptycho_host"


def project_files() -> Iterator[Path]:
    """The `pyproject.toml` of each distribution."""
    for pattern in ("pyproject.toml", "plugins/*/pyproject.toml", "ptycho_contrib_*/pyproject.toml"):
        yield from sorted(ROOT.glob(pattern))


def our_host() -> Host:
    """The host with our distributions, whatever else is installed; ends the program when one is missing or broken."""
    names = [tomllib.loads(path.read_text(encoding="utf-8"))["project"]["name"] for path in project_files()]
    os.environ[LOAD_VARIABLE] = ",".join(names)
    host = Host.discover()
    if host.problems:
        raise SystemExit("\n".join(f"{problem}" for problem in host.problems))
    return host
