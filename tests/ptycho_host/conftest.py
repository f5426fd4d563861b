"""What the tests of the host share: plugins made by hand, distributions on the path, `ptycho` as users call it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from ptycho_host import hookimpl
from ptycho_host.catalogue import OVERLAY_VARIABLE
from ptycho_host.plugins import LOAD_VARIABLE


@pytest.fixture(autouse=True)
def nobodys_settings(monkeypatch, tmp_path_factory):
    """The developer's own overlay and environment must not change what is tested."""
    monkeypatch.delenv(LOAD_VARIABLE, raising=False)
    monkeypatch.setenv(OVERLAY_VARIABLE, str(tmp_path_factory.getbasetemp() / "no-registry.toml"))


@pytest.fixture
def make_plugin() -> Callable[..., ModuleType]:
    """A plugin module whose hooks are the given functions, or return the given lists."""

    def make(name: str, **hooks) -> ModuleType:
        module = ModuleType(name)
        for hook, content in hooks.items():
            setattr(module, hook, hookimpl(content if callable(content) else _returning(content)))
        return module

    return make


def _returning(content):
    # Not a lambda with a default: pluggy would take the default for an argument of the hook.
    return lambda: content


@pytest.fixture
def make_module(monkeypatch) -> Callable[..., ModuleType]:
    """An importable module with the given attributes, for the targets of descriptors."""

    def make(name: str, **attributes) -> ModuleType:
        module = ModuleType(name)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return make


@pytest.fixture
def install(tmp_path, monkeypatch) -> Iterator[Callable[..., Path]]:
    """Put a distribution with one entry point on the path, as pip would: package, metadata, entry_points.txt."""
    site = tmp_path / "site-packages"
    site.mkdir()
    before = set(sys.modules)

    def put(distribution: str, source: str, *, entry: str | None = None, target: str | None = None) -> Path:
        package = distribution.replace("-", "_")
        (site / package).mkdir()
        (site / package / "__init__.py").touch()
        (site / package / "plugin.py").write_text(source, encoding="utf-8")
        info = site / f"{package}-1.2.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2.3\n")
        (info / "entry_points.txt").write_text(f"[ptycho]\n{entry or package} = {target or f'{package}.plugin'}\n")
        monkeypatch.syspath_prepend(site)
        return site

    yield put
    for name in set(sys.modules) - before:
        if str(site) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def ptycho(monkeypatch, capsys, tmp_path) -> Callable[..., Outcome]:
    """`ptycho ARGUMENTS` in an empty folder, in this process: a traceback would fail the test by itself."""
    from ptycho_host.cli.app import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["ptycho", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        else:
            code = 0
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def refused(ptycho, tmp_path) -> Callable[..., str]:
    """The sentence with which `ptycho ARGUMENTS` refuses bad input: exit code 2, one line, nothing written."""

    def call(*arguments: object) -> str:
        before = sorted(tmp_path.rglob("*"))
        outcome = ptycho(*arguments)
        lines = outcome.err.strip().splitlines()
        assert (outcome.code, outcome.out) == (2, "")
        assert len(lines) == 1, lines
        assert lines[0].startswith("error: ")
        assert "Traceback" not in lines[0]
        assert sorted(tmp_path.rglob("*")) == before, "something was written"
        return lines[0]

    return call
