"""Broken plugins harm nobody but themselves, and say what is wrong with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ptycho_host.components import Clipper, Generator, Loss
from ptycho_host.errors import AmbiguousComponentError, BrokenComponentError, UnknownComponentError
from ptycho_host.hookspecs import API_VERSION
from ptycho_host.plugins import LOAD_VARIABLE, Host, PluginWarning
from ptycho_host.records import RunFinished, RunStarted

GOOD = """
from ptycho_host import hookimpl
from ptycho_host.components import Loss

@hookimpl
def ptycho_losses():
    return [Loss("{name}", summary="Good.", target="nowhere:build", backend="torch")]
"""

HOOK = """
from ptycho_host import hookimpl
from ptycho_host.components import Generator, Loss

def descriptor(name="net"):
    return Generator(name, summary="A network.", target="nowhere:build", backend="torch")

@hookimpl
def {hook}({arguments}):
    {body}
"""


def hook(body: str, name: str = "ptycho_generators", arguments: str = "") -> str:
    return HOOK.format(hook=name, arguments=arguments, body=body)


BROKEN = {
    "raises at import": ("raise RuntimeError('no driver')", "RuntimeError: no driver"),
    "needs a missing package": ("import a_package_nobody_has", "No module named 'a_package_nobody_has'"),
    "exits at import": ("import sys; sys.exit('no GPU')", "SystemExit: no GPU"),
    "is no Python": ("def broken(:", "SyntaxError"),
    "raises in its hook": (hook("raise OSError('no disk')"), "OSError: no disk"),
    "exits in its hook": (hook("raise SystemExit(3)"), "SystemExit: 3"),
    "returns nothing": (hook("return None"), "returned NoneType where a list of descriptors is due"),
    "returns text": (hook("return 'net'"), "returned str where a list of descriptors is due"),
    "returns one descriptor": (hook("return descriptor()"), "returned Generator where a list"),
    "yields": (hook("yield descriptor()"), "returned generator where a list"),
    "returns a coroutine": (
        hook("return (lambda: (yield))()"),
        "returned generator where a list of descriptors is due",
    ),
    "lists text": (hook("return ['net']"), "returned 'net' of type str, where a Generator itself is due"),
    "lists the class": (hook("return [Generator]"), "of type type, where a Generator itself is due"),
    "lists another kind": (hook("return [descriptor()]", name="ptycho_losses"), "where a Loss itself is due"),
    "lists a subclass": (
        hook("return [type('Mine', (Generator,), {})('net', summary='', target='a:b')]"),
        "of type Mine, where a Generator itself is due",
    ),
    "lists what cannot be shown": (
        hook("return [type('Odd', (), {'__repr__': lambda self: 1 / 0})()]"),
        "of type Odd, where a Generator itself is due",
    ),
    "misspells a hook": (
        hook("return []", name="ptycho_generator"),
        "there is no hook 'ptycho_generator' (the nearest is 'ptycho_generators')",
    ),
    "forgets to mark a hook": (
        hook("return []") + "\ndef ptycho_losses():\n    return []\n",
        "its function ptycho_losses is not marked with @hookimpl",
    ),
    "has no hook at all": ("import ptycho_host", "it has no function marked with @hookimpl"),
    "raises what is no Exception": ("raise BaseException('gone')", "BaseException: gone"),
    "raises what cannot be shown": (
        "class Odd(Exception):\n    def __str__(self):\n        return 1 / 0\nraise Odd",
        "Odd: its message cannot be shown",
    ),
    "raises many lines": (
        "raise RuntimeError('first\\n  second ' + 'and more ' * 100)",
        "RuntimeError: first second and",
    ),
    "raises nothing to read": ("raise RuntimeError", "was left out: RuntimeError; update"),
    "is older than the API": (
        "ptycho_api = 0\n" + hook("return []"),
        "for version 0 of the plugin API, ptycho-host has 1; update lab-broken: run 'pip install --upgrade lab-broken'",
    ),
    "is newer than the API": (
        "ptycho_api = 2\n" + hook("return []"),
        "written for version 2 of the plugin API, ptycho-host has 1; update ptycho-host: run 'pip install --upgrade",
    ),
    "has an API version that is none": (
        "ptycho_api = '1.0'\n" + hook("return []"),
        "ptycho_api is '1.0', where a whole number is due",
    ),
    "asks for other arguments": (hook("return []", arguments="names"), "names"),
    "lists a name twice": (hook("return [descriptor(), descriptor()]"), "lab-broken brings generator 'net' twice"),
    "lists a good one, then junk": (hook("return [descriptor('first'), 7]"), "of type int, where a Generator"),
    "misnames a component": (hook("return [descriptor('my net')]"), "letters, digits, '_' or '-'"),
    "has a target without attribute": (
        hook("return [Generator('net', summary='', target='net')]"),
        "target of generator 'net' must be 'module:attribute', not 'net'",
    ),
    "has no summary": (
        hook("return [Generator('net', summary=None, target='a:b')]"),
        "must be one line of text, not None",
    ),
    "has a strange back-end": (
        hook("return [Generator('net', summary='', target='a:b', backend=7)]"),
        "must be the name of a tensor library, or None, not 7",
    ),
    "has a strange scope": (
        hook("return [Generator('net', summary='', target='a:b', scope='all')]"),
        "must be 'pattern' or 'scan', not 'all'",
    ),
    "states one common error": (
        hook("return [Generator('net', summary='', target='a:b', common_error=(0.4,))]"),
        "must be None or a pair such as (0.4, 1.0), not (0.4,)",
    ),
}


@pytest.mark.parametrize(("source", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_left_out_whole_and_named(install, source, message):
    install("lab-good", GOOD.format(name="good_loss"))
    install("lab-broken", source, entry="mine")
    with pytest.warns(PluginWarning) as caught:
        host = Host.discover()
    (problem,) = host.problems
    assert (problem.plugin, problem.distribution) == ("mine", "lab-broken")
    assert problem.left_out
    assert message in str(problem)
    assert "\n" not in str(problem)
    assert len(str(problem)) < 1000
    assert "Traceback (most recent call last)" in problem.details
    assert [str(warning.message) for warning in caught] == [str(problem)]
    assert "'mine' of lab-broken" in str(problem)
    assert [entry for entry in host.registrations() if entry.distribution == "lab-broken"] == []
    assert host.find("loss", "good_loss").version == "1.2.3"


@pytest.mark.parametrize("target", ["lab_lost.elsewhere", "lab_lost.plugin:nothing"])
def test_an_entry_point_that_leads_nowhere_is_a_problem(install, target):
    install("lab-lost", "", target=target)
    with pytest.warns(PluginWarning, match="lab-lost"):
        host = Host.discover()
    assert "update, remove or report lab-lost" in host.problems[0].advice


def test_the_advice_for_a_missing_package_is_to_install_it(install):
    install("lab-broken", "import a_package_nobody_has.inside")
    with pytest.warns(PluginWarning):
        host = Host.discover()
    assert host.problems[0].advice == "run 'pip install a_package_nobody_has'"


def test_a_distribution_that_was_removed_by_half_is_a_problem_like_others(install):
    site = install("lab-gone", "")
    (site / "lab_gone-1.2.3.dist-info" / "METADATA").unlink()
    shutil.rmtree(site / "lab_gone")
    with pytest.warns(PluginWarning, match="'lab_gone' of lab_gone was left out: ModuleNotFoundError"):
        host = Host.discover()
    (problem,) = [problem for problem in host.problems if problem.plugin == "lab_gone"]
    assert problem.advice == "install lab_gone again, or remove it"
    assert host.find("reader", "npz").distribution == "ptycho-host"


def test_what_a_plugin_prints_does_not_reach_standard_output(install, capfd):
    install("lab-talker", "print('welcome to my plugin')" + GOOD.format(name="talk"))
    host = Host.discover()
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "welcome to my plugin" in captured.err
    assert host.find("loss", "talk").distribution == "lab-talker"


def test_twenty_good_plugins_work_beside_three_broken_ones(install):
    for number in range(20):
        install(f"good-{number}", GOOD.format(name=f"loss_{number}"))
    for number, source in enumerate(["1 / 0", "import a_package_nobody_has", hook("return 5")]):
        install(f"bad-{number}", source)
    with pytest.warns(PluginWarning) as caught:
        host = Host.discover()
    assert [host.find("loss", f"loss_{number}").distribution for number in range(20)] == [
        f"good-{number}" for number in range(20)
    ]
    warned = [str(warning.message) for warning in caught]
    assert len(warned) == 3
    for number in range(3):
        assert sum(f"of bad-{number} was left out" in message for message in warned) == 1


def test_explicit_plugins_are_isolated_as_well(make_plugin):
    good = make_plugin("lab.good", ptycho_losses=[Loss("l", summary="", target="lab:build")])
    bad = make_plugin("lab_two.bad", ptycho_losses=lambda: 1 / 0)
    with pytest.warns(PluginWarning, match=r"'lab_two.bad' of lab_two was left out: ZeroDivisionError"):
        host = Host([bad, good])
    assert [entry.distribution for entry in host.registrations()] == ["lab"]


def test_an_explicit_host_discovers_nothing():
    assert Host([]).registrations() == []


# --- names that several bring ----------------------------------------------------------------------------------


def test_two_distributions_with_the_same_component_are_both_named_and_either_can_be_chosen(install):
    install("lab-a", GOOD.format(name="shared"), entry="losses_of_mine")
    install("lab-b", GOOD.format(name="shared"), entry="losses_of_mine")
    host = Host.discover()
    assert host.problems == []
    with pytest.raises(AmbiguousComponentError, match=r"'lab-a:shared', 'lab-b:shared'"):
        host.find("loss", "shared", "torch")
    assert host.find("loss", "lab-b:shared", "torch").distribution == "lab-b"


def test_one_distribution_cannot_bring_a_name_through_two_entry_points(install):
    install("lab-a", GOOD.format(name="shared"))
    site = install("lab-b", GOOD.format(name="other"))
    (site / "lab_a" / "second.py").write_text(GOOD.format(name="shared"))
    (site / "lab_a-1.2.3.dist-info" / "entry_points.txt").write_text(
        "[ptycho]\nfirst = lab_a.plugin\nsecond = lab_a.second\n"
    )
    with pytest.warns(PluginWarning, match="plugin 'second' of lab-a was left out: lab-a brings loss 'shared' twice"):
        host = Host.discover()
    assert host.find("loss", "shared").distribution == "lab-a"
    assert host.find("loss", "other").distribution == "lab-b"


def test_an_entry_point_into_the_package_of_another_distribution_is_left_out(install):
    install("lab-a", GOOD.format(name="mine"), entry="a")
    install("lab-b", GOOD.format(name="unused"), entry="b", target="lab_a.plugin")
    with pytest.warns(PluginWarning, match="'b' of lab-b was left out: its module lab_a.plugin takes part already as"):
        host = Host.discover()
    assert host.find("loss", "mine").distribution == "lab-a"
    assert "uninstall lab-a or lab-b" in host.problems[0].advice


def test_twins_on_two_backends_ask_for_the_backend(make_plugin):
    twins = [Loss("l", summary="", target="lab:build", backend=backend) for backend in ("torch", "tensorflow")]
    host = Host([make_plugin("lab", ptycho_losses=twins)])
    with pytest.raises(AmbiguousComponentError, match=r"several back-ends: 'tensorflow', 'torch'.*--backend"):
        host.find("loss", "l")
    assert host.find("loss", "l", "tensorflow").component.backend == "tensorflow"


def test_a_distribution_that_lacks_the_component_is_told_from_one_that_has_it(make_plugin):
    host = Host([make_plugin("lab", ptycho_losses=[Loss("l", summary="", target="lab:build")])])
    with pytest.raises(UnknownComponentError, match=r"distribution 'other' brings no loss 'l'; 'lab' does"):
        host.find("loss", "other:l")


def test_components_are_listed_by_kind_then_name(make_plugin):
    host = Host([
        make_plugin(
            "lab",
            ptycho_clippers=[Clipper("c", summary="", target="lab:c")],
            ptycho_losses=[Loss("z", summary="", target="lab:z"), Loss("a", summary="", target="lab:a")],
            ptycho_generators=[Generator("m", summary="", target="lab:m")],
        )
    ])  # fmt: skip
    assert [entry.component.name for entry in host.registrations()] == ["m", "a", "z", "c"]
    assert [entry.component.name for entry in host.registrations("loss")] == ["a", "z"]


# --- what is loaded --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("lab_a", {"lab-a"}),
        ("lab-b", {"lab-b"}),
        (" lab_a , lab-b ", {"lab-a", "lab-b"}),
        ("", set()),
        ("Lab_B", {"lab-b"}),
    ],
)
def test_the_environment_variable_restricts_what_is_loaded(install, monkeypatch, wanted, expected):
    install("lab-a", GOOD.format(name="a"))
    install("lab-b", GOOD.format(name="b"))
    install("lab-broken", "1 / 0")
    monkeypatch.setenv(LOAD_VARIABLE, wanted)
    host = Host.discover()
    assert {entry.distribution for entry in host.registrations()} == expected | {"ptycho-host"}
    assert host.problems == []


def test_a_name_in_the_environment_variable_that_fits_nothing_is_warned_about_once(install, monkeypatch):
    install("lab-a", GOOD.format(name="a"))
    monkeypatch.setenv(LOAD_VARIABLE, "lab-aa,lab-a")
    with pytest.warns(PluginWarning, match=r"PTYCHO_LOAD_PLUGINS names 'lab-aa'.*Did you mean 'lab-a'") as caught:
        host = Host.discover()
    assert len(caught) == 1
    assert {entry.distribution for entry in host.registrations()} == {"lab-a", "ptycho-host"}


def test_a_plugin_says_for_which_api_it_is_written_or_is_taken_for_current(make_plugin):
    declared, silent = (make_plugin(name, ptycho_losses=[]) for name in ("lab_a", "lab_b"))
    declared.ptycho_api = API_VERSION
    host = Host([declared, silent])
    assert [plugin.api for plugin in host.plugins] == [API_VERSION, API_VERSION]
    assert host.problems == []


# --- targets ---------------------------------------------------------------------------------------------------


def registered(make_plugin, target):
    host = Host([make_plugin("lab", ptycho_losses=[Loss("l", summary="", target=target)])])
    return host.find("loss", "l")


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        ("a_package_nobody_has.losses:build", "run 'pip install a_package_nobody_has'"),
        ("json.nothing_of_that_name:build", "update, remove or report lab"),
        ("json:nothing_of_that_name", "update, remove or report lab"),
        ("json:decoder.nothing", "update, remove or report lab"),
        ("json:__name__", "is not a function"),
    ],
)
def test_a_target_that_cannot_be_used_is_found_at_first_use_only(make_plugin, target, advice):
    registration = registered(make_plugin, target)
    with pytest.raises(BrokenComponentError) as caught:
        registration.load()
    assert f"loss 'l' (lab) cannot be used: {target}" in str(caught.value)
    assert advice in str(caught.value)


def test_a_target_that_exits_at_import_is_a_broken_component(make_plugin, tmp_path, monkeypatch):
    (tmp_path / "lab_leaver.py").write_text("raise SystemExit('no licence')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BrokenComponentError, match="SystemExit: no licence"):
        registered(make_plugin, "lab_leaver:build").load()


def test_a_target_may_be_an_attribute_of_an_attribute(make_plugin):
    assert registered(make_plugin, "json:JSONDecoder.decode").load().__name__ == "decode"


# --- observers -------------------------------------------------------------------------------------------------

STARTED = RunStarted(Path("run"), {})


def test_an_observer_that_fails_is_warned_about_once_and_the_others_are_told(make_plugin):
    told = []

    def fail(record):
        raise RuntimeError("server down")

    host = Host([
        make_plugin("lab_before", ptycho_run_started=lambda record: told.append("before")),
        make_plugin("lab_failing", ptycho_run_started=fail),
        make_plugin("lab_after", ptycho_run_started=lambda record: told.append("after")),
    ])  # fmt: skip
    with pytest.warns(PluginWarning, match="server down") as caught:
        for _ in range(3):
            host.notify(STARTED)
    assert len(caught) == 1
    assert "lab_failing" in str(caught[0].message)
    assert sorted(told) == sorted(["before", "after"] * 3)


def test_an_observer_that_exits_does_not_end_the_run(make_plugin):
    def leave(record):
        raise SystemExit(1)

    host = Host([make_plugin("lab", ptycho_run_finished=leave)])
    with pytest.warns(PluginWarning, match="SystemExit"):
        host.notify(RunFinished(Path("run"), "done"))


def test_an_observer_gets_the_record_itself_or_nothing_if_it_asks_for_nothing(make_plugin):
    told = []

    def without_record():
        told.append("rang")

    host = Host([
        make_plugin("lab_a", ptycho_run_started=lambda record: told.append(record)),
        make_plugin("lab_b", ptycho_run_started=without_record),
    ])  # fmt: skip
    host.notify(STARTED)
    assert STARTED in told
    assert "rang" in told
