"""`ptycho` as its users meet it: help, lists, what a plugin adds, completion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib

import pytest

from ptycho_host import __version__
from ptycho_host.components import KINDS
from ptycho_host.hookspecs import API_VERSION

COMMAND = """
from ptycho_host import hookimpl
from ptycho_host.components import Command

@hookimpl
def ptycho_commands():
    return [Command("{name}", summary="{summary}", target="{target}")]

def greet(name: str, loud: bool = False) -> None:
    "Greet somebody."
    print(f"hello {{name}}" + "!" * loud)
"""


def in_a_process(*arguments, **environment):
    """`python -m ptycho_host` as a program of its own."""
    return subprocess.run(
        [sys.executable, "-m", "ptycho_host", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


# --- help ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_the_commands_with_their_summaries(ptycho, flag):
    outcome = ptycho(flag)
    assert outcome.code == 0
    assert "Start with: ptycho train --generator unrolled --clip agc" in outcome.out
    commands = outcome.out.split("Commands:")[1]
    listed = [line.split()[0] for line in commands.strip().splitlines()]
    in_order_of_work = ["train", "reconstruct", "compare", "simulate", "inspect", "plugins"]
    assert [name for name in listed if name in in_order_of_work] == in_order_of_work
    assert "train        Train a generator, reconstruct, report." in commands


def test_no_arguments_show_the_help_and_count_as_a_mistake(ptycho):
    outcome = ptycho()
    assert outcome.code == 2
    assert "Usage: ptycho" in outcome.out + outcome.err


def test_help_of_train_groups_its_options(ptycho):
    outcome = ptycho("train", "--help")
    assert outcome.code == 0
    titles = [line for line in outcome.out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Arguments:", "Data:", "Components:", "Schedule:", "Output:", "Other options:"]
    components = outcome.out.split("Components:")[1].split("Schedule:")[0]
    assert "--generator NAME" in components
    assert "--data" not in components


@pytest.mark.parametrize("command", ["reconstruct", "simulate", "inspect"])
def test_help_of_every_command_shows_arguments_and_options(ptycho, command):
    outcome = ptycho(command, "--help")
    assert outcome.code == 0
    assert f"Usage: ptycho {command} [OPTIONS]" in outcome.out
    assert "Arguments:" in outcome.out
    assert "--help" in outcome.out.split("Options:")[1]


def test_version(ptycho):
    assert ptycho("--version").out == f"ptycho-host {__version__}\n"


def test_the_module_is_the_command():
    done = in_a_process("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"ptycho-host {__version__}\n", "")


# --- plugins ---------------------------------------------------------------------------------------------------


def test_the_list_names_kind_backend_distribution_and_summary(ptycho):
    outcome = ptycho("plugins", "list")
    assert (outcome.code, outcome.err) == (0, "")
    rows = {tuple(line.split()[:4]) for line in outcome.out.splitlines()}
    assert ("kind", "name", "back-end", "distribution") in rows
    assert ("reader", "npz", "any", "ptycho-host") in rows
    assert ("loss", "mae", "torch", "ptycho-losses") in rows


def test_the_list_can_be_restricted_to_a_kind(ptycho):
    lines = ptycho("plugins", "list", "--kind", "clipper").out.splitlines()[1:]
    assert {line.split()[0] for line in lines} == {"clipper"}
    assert {line.split()[1] for line in lines} >= {"agc", "norm", "value"}


def test_a_kind_of_which_nothing_is_installed_gives_the_heading_alone(ptycho, monkeypatch):
    monkeypatch.setenv("PTYCHO_LOAD_PLUGINS", "")
    assert len(ptycho("plugins", "list", "--kind", "generator").out.splitlines()) == 1


def test_the_list_for_programs_holds_everything(ptycho):
    told = json.loads(ptycho("plugins", "list", "--json").out)
    assert (told["api_version"], told["problems"]) == (API_VERSION, [])
    entries = told["components"]
    (agc,) = [entry for entry in entries if (entry["name"], entry["backend"]) == ("agc", "torch")]
    assert {entry["kind"] for entry in entries} <= set(KINDS)
    assert (agc["kind"], agc["distribution"]) == ("clipper", "ptycho-agc")
    assert agc["target"].startswith("ptycho_agc.")
    assert agc["version"]
    (plugin,) = [entry for entry in told["plugins"] if entry["distribution"] == "ptycho-agc"]
    assert (plugin["module"], plugin["api_version"], plugin["left_out"]) == ("ptycho_agc.plugin", API_VERSION, False)
    assert plugin["seconds"] > 0


def test_the_list_for_programs_may_be_restricted_to_a_kind(ptycho):
    told = json.loads(ptycho("plugins", "list", "--json", "--kind", "reader").out)
    assert {entry["kind"] for entry in told["components"]} == {"reader"}


def test_show_lists_the_options_of_a_component(ptycho):
    outcome = ptycho("plugins", "show", "simulator", "lines")
    assert outcome.code == 0
    assert "from ptycho-simulators" in outcome.out
    (step,) = [line for line in outcome.out.splitlines() if "scan.step" in line]
    assert [cell.strip() for cell in step.strip("│ ").split("│")][:4] == ["scan.step", "float", "6", "> 0, ≤ 4096"]


def test_show_of_a_command_points_to_its_help(ptycho):
    assert "ptycho train --help" in ptycho("plugins", "show", "command", "train").out


def test_descriptions_with_brackets_are_shown_as_they_are(ptycho, install):
    install(
        "lab-losses",
        "from ptycho_host import hookimpl\nfrom ptycho_host.components import Loss\n"
        "@hookimpl\ndef ptycho_losses():\n"
        "    summary = 'As [bold]in[/bold] [loss.tv] :smile:'\n"
        "    return [Loss('lab_loss', summary=summary, target='lab_losses.plugin:build')]\n"
        "def build(*, weight: int = 3): ...\n",
    )
    assert "As [bold]in[/bold] [loss.tv] :smile:" in ptycho("plugins", "show", "loss", "lab_loss").out


def test_show_of_something_unknown_says_what_is_near(refused):
    assert "Did you mean 'agc'?" in refused("plugins", "show", "clipper", "agcc")
    assert "Did you mean 'clipper'?" in refused("plugins", "show", "cliper", "agc")


def test_the_doctor_has_nothing_to_say_about_the_projects_own_plugins(ptycho):
    outcome = ptycho("plugins", "doctor")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.endswith(" 0 problems\n")


def test_the_doctor_names_each_broken_thing_once_with_advice(ptycho, install, monkeypatch):
    monkeypatch.setenv("PTYCHO_LOAD_PLUGINS", "lab-importer,lab-losses,ptycho-losses,ptycho-torch")
    install("lab-importer", "import a_package_nobody_has")
    install(
        "lab-losses",
        "from ptycho_host import hookimpl\nfrom ptycho_host.components import Loss\n"
        "@hookimpl\ndef ptycho_losses():\n"
        "    return [Loss('mae', summary='', target='lab_losses.plugin:build', backend='torch'),\n"
        "            Loss('greedy', summary='', target='lab_losses.plugin:build')]\n"
        "def build(**options): ...\n",
    )
    outcome = ptycho("plugins", "doctor")
    assert outcome.code == 1
    broken = [line for line in outcome.out.splitlines() if line.startswith("PROBLEM")]
    assert len(broken) == 4
    assert "plugin 'lab_importer' of lab-importer was left out: ModuleNotFoundError" in broken[0]
    assert "what to do: run 'pip install a_package_nobody_has'" in outcome.out
    assert "| Traceback" in outcome.out
    assert any("loss 'greedy' (lab-losses)" in line and "**arguments" in line for line in broken)
    assert any("loss 'mae' is brought by lab-losses and ptycho-losses" in line for line in broken)
    assert outcome.out.endswith(" 4 problems\n")


def test_other_commands_name_a_broken_plugin_once_and_go_on(ptycho, install):
    install("lab-broken", "1 / 0")
    for arguments in (["plugins", "list"], ["plugins", "show", "clipper", "agc"], ["inspect", "siemens_star"]):
        outcome = ptycho(*arguments)
        assert outcome.code == 0
        assert len(outcome.err.splitlines()) == 1, arguments
        assert "warning: plugin 'lab_broken' of lab-broken was left out: ZeroDivisionError" in outcome.err
        assert "Traceback" not in outcome.err


# --- commands of plugins ---------------------------------------------------------------------------------------


def test_a_plugins_command_stands_beside_our_own(ptycho, install):
    install("lab-hello", COMMAND.format(name="greet", summary="Say hello.", target="lab_hello.plugin:greet"))
    assert "greet        Say hello." in ptycho("--help").out
    assert ptycho("greet", "Ada", "--loud").out == "hello Ada!\n"
    assert "Greet somebody." in ptycho("greet", "--help").out


def test_a_plugins_command_that_cannot_be_imported_hurts_itself_alone(ptycho, refused, install):
    install("lab-hello", COMMAND.format(name="greet", summary="Say hello.", target="lab_hello.nothing:greet"))
    assert ptycho("--help").code == 0
    assert "command 'greet' (lab-hello) cannot be used" in refused("greet", "Ada")


def test_a_plugin_cannot_take_over_a_command_in_silence(ptycho, refused, install):
    install("lab-hello", COMMAND.format(name="inspect", summary="Mine.", target="lab_hello.plugin:greet"))
    message = refused("inspect", "Ada")
    assert "'lab-hello:inspect', 'ptycho-host:inspect'" in message
    assert ptycho("lab-hello:inspect", "Ada").out == "hello Ada\n"


def test_a_command_that_a_known_distribution_brings_is_offered_for_installation(refused, tmp_path, monkeypatch):
    (tmp_path / "registry.toml").write_text('[lab-study]\ncommand.any = ["measure"]\n')
    monkeypatch.setenv("PTYCHO_REGISTRY", str(tmp_path / "registry.toml"))
    assert "It comes with lab-study: run 'pip install lab-study'." in refused("measure")


# --- completion ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ptycho tr", {"train"}),
        ("ptycho plugins d", {"doctor"}),
        ("ptycho train --gen", {"--generator"}),
        ("ptycho train --device c", {"cpu", "cuda"}),
    ],
)
def test_the_shell_completes(words, expected):
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['ptycho']; from ptycho_host.cli.app import main; main()"],
        capture_output=True,
        text=True,
        timeout=60,
        env={
            **os.environ,
            "_PTYCHO_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        },
    )
    assert (set(done.stdout.split()), done.stderr) == (expected, "")


# --- what a run would do, and data -----------------------------------------------------------------------------


def test_a_dry_run_prints_the_complete_configuration_and_does_nothing(ptycho, tmp_path):
    outcome = ptycho("train", "--dry-run", "--generator", "stable_hybrid", "--clip", "agc", "--set", "train.epochs=3")
    assert outcome.code == 0
    table = tomllib.loads(outcome.out)
    assert table["backend"] == "torch"
    assert table["train"]["epochs"] == 3
    assert table["clip"]["name"] == "agc"
    assert table["generator"]["modes"] >= 1
    assert table["simulator"]["scan"]["step"] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_scan_is_simulated_and_inspected(ptycho, tmp_path):
    options = ["--set", "size=64", "--set", "pixels=16", "--set", "simulator.scan.step=8", "--seed", "3"]
    made = ptycho("simulate", "lines", "scan.npz", *options)
    assert made.code == 0
    assert "scan    scan.npz" in made.out
    facts = json.loads(ptycho("inspect", "scan.npz", "--json").out)
    assert (facts["name"], facts["patterns"], facts["pixels"], facts["known_object"]) == ("scan", 49, 16, "truth")
    assert "49 of 16 × 16 pixels" in ptycho("inspect", "scan.npz").out


def test_the_same_seed_gives_the_same_file(ptycho, tmp_path):
    options = ["--set", "size=64", "--set", "pixels=16", "--set", "scan.step=16"]
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert ptycho("simulate", "lines", f"{name}.npz", *options, "--seed", seed).code == 0
    read = {name: (tmp_path / f"{name}.npz").read_bytes() for name in "abc"}
    assert read["a"] == read["b"]
    assert read["a"] != read["c"]


def test_an_existing_file_is_replaced_when_forced(ptycho, tmp_path):
    (tmp_path / "scan.npz").write_text("old")
    options = ["--set", "size=64", "--set", "pixels=16", "--set", "scan.step=16", "--force"]
    assert ptycho("simulate", "lines", "scan.npz", *options).code == 0
    assert (tmp_path / "scan.npz").read_bytes()[:2] == b"PK"
