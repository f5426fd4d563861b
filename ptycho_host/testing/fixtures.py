"""Fixtures for tests of plugins; import those you use into your conftest.py.

from ptycho_host.testing.fixtures import make_host, tiny_scan, tmp_plugin
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ptycho_host import native
from ptycho_host.catalogue import OVERLAY_VARIABLE
from ptycho_host.data.scan import Scan
from ptycho_host.hookspecs import PROJECT, hookimpl
from ptycho_host.plugins import LOAD_VARIABLE, Host
from ptycho_host.testing.running import Outcome, call_ptycho, run_ptycho
from ptycho_host.testing.scans import simulated_scan

__all__ = [
    "Outcome",
    "call_ptycho",
    "host",
    "make_host",
    "make_module",
    "make_plugin",
    "nobodys_settings",
    "ptycho",
    "ptycho_process",
    "tiny_scan",
    "tmp_plugin",
]


@pytest.fixture
def nobodys_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No PTYCHO_LOAD_PLUGINS and no catalogue of the developer's own: what is tested does not depend on them."""
    monkeypatch.delenv(LOAD_VARIABLE, raising=False)
    monkeypatch.setenv(OVERLAY_VARIABLE, str(tmp_path_factory.getbasetemp() / "no-registry.toml"))


@pytest.fixture
def make_host() -> Callable[..., Host]:
    """`make_host(plugin, …)`: a host with its own plugin and these modules, and no discovery.

    For the suites, put it behind the name `host`, in a conftest.py or in the test class:

        @pytest.fixture
        def host(make_host):
            return make_host(mynet.plugin, ptycho_torch.plugin)
    """
    return lambda *plugins: Host([native, *plugins])


@pytest.fixture
def host() -> Host:
    """All installed plugins, as `ptycho` sees them."""
    return Host.discover()


@pytest.fixture
def make_plugin() -> Callable[..., ModuleType]:
    """`make_plugin(name, ptycho_losses=[…])`: a module whose hooks are the given functions, or return the lists."""

    def make(name: str, **hooks: Any) -> ModuleType:
        module = ModuleType(name)
        for hook, content in hooks.items():
            setattr(module, hook, hookimpl(content if callable(content) else _returning(content)))
        return module

    return make


def _returning(content: Any) -> Callable[[], Any]:
    # Not a lambda with a default: pluggy would take the default for an argument of the hook.
    return lambda: content


@pytest.fixture
def make_module(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """`make_module(name, **attributes)`: an importable module, for the targets of descriptors."""

    def make(name: str, **attributes: Any) -> ModuleType:
        module = ModuleType(name)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return make


@pytest.fixture
def tmp_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """`tmp_plugin(distribution, source)`: a distribution with one entry point, put on the path as pip would.

    `source` is its plugin module, `<package>.plugin`; `entry` and `target` replace the entry point's name and value.
    Returns the folder of packages. Everything is gone after the test.
    """
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
        (info / "entry_points.txt").write_text(f"[{PROJECT}]\n{entry or package} = {target or f'{package}.plugin'}\n")
        monkeypatch.syspath_prepend(site)
        return site

    yield put
    for name in set(sys.modules) - before:
        if str(site) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


@pytest.fixture
def tiny_scan() -> Scan:
    """25 simulated patterns of 32 x 32 pixels with a million photons each, their truth, geometry and metadata.

    `ptycho_host.testing.scans.simulated_scan` makes others.
    """
    return simulated_scan()


@pytest.fixture
def ptycho(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Outcome]:
    """`ptycho("train", "--epochs", 1)` in an empty folder, in this process: a traceback fails the test by itself."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return call_ptycho


@pytest.fixture
def ptycho_process(tmp_path: Path) -> Callable[..., Any]:
    """The same as a program of its own; returns the subprocess.CompletedProcess."""
    return partial(run_ptycho, folder=tmp_path)
