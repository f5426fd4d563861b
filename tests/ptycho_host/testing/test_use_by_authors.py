"""The suites and fixtures as authors use them: inherited, collected by pytest, with the host of their choice."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import ptycho_host.testing.fixtures
from ptycho_host.components import Stitcher
from ptycho_host.plugins import Host
from ptycho_host.testing.fixtures import make_host, ptycho_process, tiny_scan, tmp_plugin  # noqa: F401
from ptycho_host.testing.running import call_ptycho
from ptycho_host.testing.simulators import problem_of

pytest_plugins = ["pytester"]

PLUGIN = """
    from ptycho_host import hookimpl
    from ptycho_host.components import Stitcher

    @hookimpl
    def ptycho_stitchers():
        return [Stitcher("mine", summary="Mine.", target="ptycho_stitchers.weighted_mean:build_probe_weighted")]
    """
SUITE = """
    from ptycho_host.testing import StitcherConformance

    class TestMine(StitcherConformance):
        name = "mine"
    """
HOST = """
    import mine_plugin
    import pytest
    from ptycho_host.testing.fixtures import make_host

    @pytest.fixture
    def host(make_host):
        return make_host(mine_plugin)
    """


def test_a_suite_with_a_host_of_the_conftest(pytester: pytest.Pytester) -> None:
    pytester.syspathinsert()
    pytester.makepyfile(mine_plugin=textwrap.dedent(PLUGIN), test_mine=textwrap.dedent(SUITE))
    pytester.makeconftest(textwrap.dedent(HOST))
    # Not installed with an entry point: what listing imports cannot be tried.
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=18, skipped=1)


def test_a_suite_with_a_host_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.syspathinsert()
    inside = textwrap.indent(textwrap.dedent(HOST.split("make_host\n", 1)[1]), "    ")
    imports = "import mine_plugin\nimport pytest\nfrom ptycho_host.testing.fixtures import make_host\n"
    source = imports + textwrap.dedent(SUITE) + inside.replace("def host(make_host)", "def host(self, make_host)")
    pytester.makepyfile(mine_plugin=textwrap.dedent(PLUGIN), test_mine=source)
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=18, skipped=1)


def test_a_component_that_is_not_installed_is_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(textwrap.dedent(SUITE.replace("mine", "synchronized")))
    result = pytester.runpytest("-p", "no:cacheprovider", "-k", "summary")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no stitcher named 'synchronized' is installed. Did you mean 'synchronised'?*"])


def test_made_hosts_know_the_given_plugins_and_the_hosts_own(
    make_host: Callable[..., Host],  # noqa: F811
    make_plugin: Callable[..., ModuleType],
) -> None:
    plugin = make_plugin("lab", ptycho_stitchers=[Stitcher("odd", summary="Odd.", target="lab:build")])
    host = make_host(plugin)
    assert [entry.component.name for entry in host.registrations("stitcher")] == ["odd"]
    assert host.find("reader", "npz").distribution == "ptycho_host"
    assert host.registrations("engine") == []


def test_temporary_plugins_are_discovered_and_gone_afterwards(
    tmp_plugin: Callable[..., Path],  # noqa: F811
    ptycho: Callable[..., Any],
) -> None:
    tmp_plugin("lab-mine", textwrap.dedent(PLUGIN))
    assert "lab-mine" in ptycho("plugins", "list", "--kind", "stitcher").out


def test_a_tiny_scan_keeps_the_contract(tiny_scan: Any) -> None:  # noqa: F811
    assert problem_of(tiny_scan) is None
    assert (tiny_scan.count, tiny_scan.pixels) == (25, 32)


def test_both_ways_to_call_ptycho_agree(
    ptycho: Callable[..., Any],
    ptycho_process: Callable[..., Any],  # noqa: F811
) -> None:
    assert ptycho is call_ptycho
    for arguments in (("--version",), ("inspect", "nothing.npz")):
        inside, outside = ptycho(*arguments), ptycho_process(*arguments)
        assert (inside.code, inside.out, inside.err) == (outside.returncode, outside.stdout, outside.stderr)
    assert inside.code == 2


def test_every_suite_and_fixture_has_its_line_in_the_documentation() -> None:
    page = (Path(__file__).parents[3] / "docs" / "testing-plugins.md").read_text(encoding="utf-8")
    fixtures = [name for name, value in vars(ptycho_host.testing.fixtures).items() if _is_fixture(value)]
    assert len(fixtures) == 9
    missing = [name for name in [*ptycho_host.testing.__all__, *fixtures] if f"`{name}" not in page]
    assert missing == []


def _is_fixture(value: object) -> bool:
    return type(value).__name__ == "FixtureFunctionDefinition"
