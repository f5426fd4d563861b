"""What all tests may share: wheels of our distributions, fresh virtual environments, what our pages show."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from packaging.utils import canonicalize_name

Completed: TypeAlias = subprocess.CompletedProcess[str]

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = [
    path.parent
    for pattern in ("pyproject.toml", "plugins/*/pyproject.toml", "ptycho_contrib_*/pyproject.toml")
    for path in sorted(ROOT.glob(pattern))
]


FIRST = ("tests/test_wheels.py", "tests/ptycho_host/scaffold/test_generated_distributions.py", "tests/test_readme.py")
"""Modules that take longest. What test_wheels imports in an environment is compiled for those made from it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, so that several processes finish at about the same time."""
    modules = [item.nodeid.partition("::")[0] for item in items]
    slow = {module for module, item in zip(modules, items, strict=True) if item.get_closest_marker("slow")}

    def place(module: str) -> tuple[int, bool]:
        return FIRST.index(module) if module in FIRST else len(FIRST), module not in slow

    order = sorted(range(len(items)), key=lambda index: place(modules[index]))
    items[:] = [items[index] for index in order]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For several processes: modules and classes stay whole, and all that shares environments goes to one process."""
    from xdist.scheduler import LoadScopeScheduling

    # In the order in which they were collected; the number of tests says little about how long they take.
    config.option.loadscopereorder = False

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            scope: str = super()._split_scope(nodeid)
            return "environments" if _shares_environments(nodeid.partition("::")[0]) else scope

    return Scheduling(config, log)


@cache
def _shares_environments(module: str) -> bool:
    return "wheelhouse" in (text := (ROOT / module).read_text(encoding="utf-8")) or "fresh_environment" in text


@dataclass(frozen=True)
class FreshEnvironment:
    """A virtual environment that sees neither the repository nor the packages of the environment of the tests."""

    folder: Path
    wheelhouse: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def install(self, *requirements: str | Path, no_deps: bool = False) -> None:
        """`pip install` with our own distributions from the wheelhouse; a Path is a wheel or a source tree."""
        # Compiling all of torch takes longer than copying it, and hardly any of it is imported.
        self._pip("install", "--no-compile", *(["--no-deps"] if no_deps else []), *self._sources, *requirements)

    def would_install(self, *requirements: str) -> set[str]:
        """The distributions that `pip install` would bring, by canonical name; nothing is installed."""
        report = self._pip("install", "--dry-run", "--report", "-", *self._sources, *requirements)
        return {canonicalize_name(entry["metadata"]["name"]) for entry in json.loads(report)["install"]}

    def check(self) -> None:
        """`pip check`: everything that is installed has what it requires."""
        self._pip("check")

    def copy_to(self, folder: Path) -> None:
        """The same environment elsewhere. Its files are hard links: pip replaces files, it never writes into them."""
        shutil.copytree(self.folder, folder, symlinks=True, copy_function=os.link)
        # Programs name their interpreter.
        for program in (path for path in (folder / "bin").iterdir() if not path.is_symlink()):
            content, mode = program.read_bytes(), program.stat().st_mode
            program.unlink()
            program.write_bytes(content.replace(bytes(self.folder), bytes(folder)))
            program.chmod(mode)

    def run(self, program: str, *arguments: str | Path, cwd: Path, **environment: str) -> Completed:
        """A program of this environment such as `ptycho` or `python`; its exit code is the caller's to judge."""
        command = [str(self.folder / "bin" / program), *map(str, arguments)]
        # A home without settings, and a terminal of stated width.
        return _run(command, cwd, HOME=str(self.folder), COLUMNS="160", PYTHONNOUSERSITE="1", **environment)

    @property
    def _sources(self) -> list[str | Path]:
        return ["--find-links", self.wheelhouse, "--constraint", ROOT / "constraints.txt"]

    def _pip(self, command: str, *arguments: str | Path) -> str:
        pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(self.python), command]
        done = _run([*pip, *map(str, arguments)], self.folder)
        assert done.returncode == 0, f"pip {command} {arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def _run(command: list[str], cwd: Path, **environment: str) -> Completed:
    """Without those variables of this process that would let the repository or the developer's settings in."""
    strange = ("PTYCHO_", "PYTHON", "VIRTUAL_ENV")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
    return subprocess.run(
        command, cwd=cwd, env=clean | environment, capture_output=True, text=True, timeout=1200, check=False
    )


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel of each of our distributions, built from the tree as it is."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    command = [sys.executable, "-m", "pip", "wheel", *options, *map(str, DISTRIBUTIONS)]
    done = _run(command, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def fresh_environment(
    wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., FreshEnvironment]]:
    """`fresh_environment(requirement)`: made and filled once, then shared by all who ask for it, and left as it is.

    `fresh_environment(requirement, "name", *further)` begins as a copy of that one, for those who add packages.
    """
    folder = tmp_path_factory.mktemp("environments")
    made: dict[str, tuple[tuple[str, ...], FreshEnvironment]] = {}

    def get(requirement: str, name: str = "", *further: str) -> FreshEnvironment:
        if (key := name or requirement) not in made:
            environment = FreshEnvironment(folder / key, wheelhouse)
            if name:
                get(requirement).copy_to(environment.folder)
            else:
                # The pip of the tests installs into it: one of its own would take several seconds to get there.
                command = [sys.executable, "-m", "venv", "--without-pip", str(environment.folder)]
                subprocess.run(command, check=True, timeout=120)
            if added := further if name else (requirement,):
                environment.install(*added)
            made[key] = ((requirement, *further), environment)
        wanted, environment = made[key]
        assert wanted == (requirement, *further), f"environment '{key}' was made with {wanted}"
        return environment

    yield get
    # pytest keeps the folders of its last three runs, and tensor libraries are large: so large that some disks take
    # minutes to forget them, for which nobody needs to wait.
    subprocess.run(["sh", "-c", 'rm -rf "$0" </dev/null >/dev/null 2>&1 &', str(folder)], check=True)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, and the comment `<!-- mark -->` above it that says what a test does with it."""

    mark: str
    language: str
    content: str

    def commands(self) -> Iterator[ShownCommand]:
        """The commands of a console block, each with what the page shows below it."""
        for shown in re.split(r"^\$ ", self.content, flags=re.MULTILINE)[1:]:
            line, *output = shown.splitlines()
            yield ShownCommand(line, tuple(output))


@dataclass(frozen=True)
class ShownCommand:
    """A command as a page shows it; "…" in the output stands for lines that the page leaves out."""

    line: str
    output: tuple[str, ...]

    def missing_in(self, printed: str) -> list[str]:
        """The lines shown that the command did not print, whatever figures and spaces stand in them."""
        found = {_shape(line) for line in printed.splitlines()}
        return [line for line in self.output if line != "…" and _shape(line) not in found]


def _shape(line: str) -> str:
    # A duration is 0:31 or 7.8 s.
    figure = r"-?\d[\d.,:]*(e[-+]?\d+)?( s\b)?"
    return " ".join(re.sub(figure, "#", line).split()).strip("= ")


@pytest.fixture(scope="session")
def blocks_of() -> Callable[[str], list[Block]]:
    """`blocks_of("README.md")`: the fenced blocks of a page of ours, in their order."""
    fence = re.compile(r"^(?:<!-- (.+?) -->\n)?```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

    def read(page: str) -> list[Block]:
        return [Block(*found) for found in fence.findall((ROOT / page).read_text(encoding="utf-8"))]

    return read
