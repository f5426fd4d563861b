"""Running single checks of the suites on components made for the purpose."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import ptycho_agc.plugin
import ptycho_contrib_fno.plugin
import ptycho_losses.plugin
import ptycho_stitchers.plugin
import ptycho_torch.plugin
from ptycho_host import native
from ptycho_host.components import KINDS
from ptycho_host.plugins import PLURALS, Host
from ptycho_host.testing.suite import ComponentConformance
from ptycho_host.testing.trial import workbench_for

OURS = (
    native,
    ptycho_torch.plugin,
    ptycho_contrib_fno.plugin,
    ptycho_losses.plugin,
    ptycho_agc.plugin,
    ptycho_stitchers.plugin,
)


@dataclass(frozen=True)
class Trial:
    """A suite and the host that knows the component under test."""

    suite: Any
    host: Host
    folder: Path

    def check(self, name: str) -> None:
        """Run one test of the suite, with what its signature asks for."""
        test = getattr(self.suite, name)
        available: dict[str, Callable[[], Any]] = {
            "host": lambda: self.host,
            "registration": lambda: self.host.find(self.suite.kind, self.suite.name, self.suite.backend),
            "component": self.component,
            "bench": lambda: workbench_for(self.host, self.component()),
            "parts": lambda: self.suite.trained(self.host, self.component()),
            "example": lambda: self.suite.make_example(self.host, self.component(), self._fresh("example")),
            "tmp_path": lambda: self._fresh(name),
        }
        test(**{parameter: available[parameter]() for parameter in inspect.signature(test).parameters})

    def component(self) -> Any:
        return self.suite.configured(self.host, self.suite.options)

    def _fresh(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder


def checks_of(suite: type[ComponentConformance], *, without: tuple[str, ...] = ()) -> list[str]:
    return [name for name in dir(suite) if name.startswith("test_") and name not in without]


@pytest.fixture
def trial(
    make_plugin: Callable[..., ModuleType],
    make_module: Callable[..., ModuleType],
    tmp_path: Path,
) -> Callable[..., Trial]:
    """`trial(SuiteClass, build, options=…, backend=…)`: a component 'lab' with that factory, ready to be checked."""

    def make(
        suite: type[ComponentConformance],
        build: Callable[..., Any],
        *,
        backend: str | None = None,
        summary: str = "A component made for a test.",
        descriptor: dict[str, Any] | None = None,
        others: dict[str, list[Any]] | None = None,
        **attributes: Any,
    ) -> Trial:
        make_module("lab_parts", build=build)
        described = KINDS[suite.kind](
            "lab", backend=backend, summary=summary, target="lab_parts:build", **(descriptor or {})
        )
        lab = make_plugin("lab", **{PLURALS[suite.kind]: [described]}, **(others or {}))
        named = type("TestLab", (suite,), {"name": "lab:lab", **attributes})
        return Trial(named(), Host([*OURS, lab]), tmp_path)

    return make
