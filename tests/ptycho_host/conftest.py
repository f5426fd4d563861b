"""What the tests of the host share: nobody's settings, plugins made on the fly, `ptycho` as users call it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ptycho_host.testing.fixtures import Outcome, make_module, make_plugin, nobodys_settings, ptycho  # noqa: F401
from ptycho_host.testing.fixtures import tmp_plugin as install  # noqa: F401


@pytest.fixture(autouse=True)
def _undisturbed(nobodys_settings: None) -> None:  # noqa: F811
    """No test of the host depends on the developer's settings."""


@pytest.fixture
def refused(ptycho: Callable[..., Outcome], tmp_path: Path) -> Callable[..., str]:  # noqa: F811
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
