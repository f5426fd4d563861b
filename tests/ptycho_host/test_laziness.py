"""Listing is free: what is imported before a component is used, seen from a fresh process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = {"torch", "tensorflow", "keras", "numpy", "scipy", "h5py", "matplotlib", "skimage", "rich"}

REPORT = """
import atexit, sys
atexit.register(lambda: print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr))
"""
COMMAND = REPORT + "from ptycho_host.cli.app import main\nsys.argv[0] = 'ptycho'\nmain()\n"


def imported(code: str, *arguments: str, **environment: str) -> tuple[set[str], str]:
    """Top-level packages that a fresh Python has imported when it ends, and its standard output."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
        timeout=60,
    )
    return set(done.stderr.splitlines()[-1].split()), done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_no_pydantic_either(arguments):
    packages, out = imported(COMMAND, *arguments)
    assert "ptycho" in out
    assert packages & (HEAVY | {"pydantic"}) == set()


@pytest.mark.parametrize("arguments", [["plugins", "list"], ["plugins", "list", "--json"], ["train", "--help"]])
def test_listing_imports_nothing_heavy(arguments):
    packages, out = imported(COMMAND, *arguments)
    assert "generator" in out
    assert packages & HEAVY == set()


def test_completion_imports_nothing_heavy():
    packages, out = imported(COMMAND, _PTYCHO_COMPLETE="complete_bash", COMP_WORDS="ptycho tr", COMP_CWORD="1")
    assert out.split() == ["train"]
    assert packages & HEAVY == set()


def test_loading_every_entry_point_imports_nothing_heavy():
    code = REPORT + "from ptycho_host import Host\nprint(len(Host.discover().registrations()))"
    packages, out = imported(code)
    assert int(out) >= 6
    assert packages & (HEAVY | {"pydantic", "typer"}) == set()


def test_a_plugin_module_pays_for_pluggy_alone():
    packages, _ = imported(REPORT + "from ptycho_host import hookimpl\nimport ptycho_host.components")
    assert packages & (HEAVY | {"pydantic", "typer", "tomllib"}) == set()


def test_the_public_names_come_with_first_use():
    packages, _ = imported(REPORT + "import ptycho_host\nptycho_host.Host")
    assert packages & (HEAVY | {"pydantic"}) == set()
    packages, out = imported(REPORT + "import ptycho_host as p\nprint(*(n for n in p.__all__ if getattr(p, n)))")
    assert "train" in out.split()
    # Even the whole programmatic interface does without a tensor library.
    assert packages & {"torch", "tensorflow"} == set()
