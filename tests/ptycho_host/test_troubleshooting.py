"""Every kind of broken plugin, through the real command line: the host runs, and says once whose fault it is.

The cases stand under the messages that docs/troubleshooting-plugins.md explains; page and cases must agree.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ptycho_host import load_scan, write_scan

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting-plugins.md"

HEAD = """
from ptycho_host import hookimpl
from ptycho_host.components import *
"""
GOOD = (
    HEAD
    + """
@hookimpl
def ptycho_losses():
    return [Loss("good", summary="Good.", target="nowhere:build")]
"""
)


def hook(body: str, name: str = "ptycho_losses", arguments: str = "") -> str:
    return f"{HEAD}\n@hookimpl\ndef {name}({arguments}):\n    {body}\n"


@dataclass(frozen=True)
class Case:
    """The source of a plugin module, in which PACKAGE stands for its package, and how it is entered and used."""

    source: str
    entries: str = "PACKAGE = PACKAGE.plugin"
    arguments: tuple[str, ...] = ()
    code: int = 0
    environment: dict[str, str] = field(default_factory=dict)


def simulator(body: str, *, code: int = 1) -> Case:
    """A simulator whose factory has this body, used from the command line."""
    source = hook("return [Simulator('odd', summary='', target='PACKAGE.plugin:build')]", "ptycho_simulators")
    return Case(f"{source}\ndef build():\n    {body}\n", arguments=("simulate", "odd", "out.npz"), code=code)


def command(target: str, parameters: str = "", body: str = "pass", *, code: int) -> Case:
    """A command of a plugin, called."""
    source = hook(f"return [Command('greet', summary='', target='{target}')]", "ptycho_commands")
    return Case(f"{source}\ndef greet({parameters}):\n    {body}\n", arguments=("greet",), code=code)


TWO_OBJECTS = """
class Plugin:
    @hookimpl
    def ptycho_losses(self):
        return [Loss("double", summary="", target="nowhere:build")]

first, second = Plugin(), Plugin()
"""

# A whole run on a tensor library that does not exist, up to the point where the engine would begin.
RUN = (
    HEAD
    + """
TARGET = "PACKAGE.parts:build"

@hookimpl
def ptycho_generators():
    return [Generator("lab", summary="", target=TARGET, backend="lab")]

@hookimpl
def ptycho_losses():
    return [Loss("lab", summary="", target=TARGET, backend="lab")]

@hookimpl
def ptycho_clippers():
    return [Clipper("lab", summary="", target=TARGET, backend="lab")]

@hookimpl
def ptycho_stitchers():
    return [Stitcher("lab", summary="", target=TARGET)]

@hookimpl
def ptycho_engines():
    return [Engine("lab", summary="", target="PACKAGE.plugin:Idle", backend="lab")]

class Idle:
    def train(self, *arguments):
        raise OSError("no parts")

    predict = workbench = train

@hookimpl
def ptycho_datasets():
    return [Dataset("lab_scan", summary="", target=TARGET)]

@hookimpl
def ptycho_run_started(record):
    raise OSError("no server")
"""
)
TRAIN = ("train", "--generator", "lab", "--loss", "lab", "--clip", "lab", "--stitch", "lab", "--data", "siemens_star")

AT_START = {
    "was left out: ModuleNotFoundError: No module named …": Case("import a_package_nobody_has"),
    "was left out: RuntimeError: …": Case("raise RuntimeError('no driver')"),
    "was left out: SystemExit: …": Case("import sys; sys.exit('no GPU')"),
    "was left out: SyntaxError: …": Case("def broken(:"),
    "returned … where a list of descriptors is due": Case(hook("return 'net'")),
    "of type … where a … itself is due": Case(hook("return ['net']")),
    "… must be …, not …": Case(hook("return [Loss('net', summary=3, target='a:b')]")),
    "there is no hook …": Case(hook("return []", "ptycho_lossess")),
    "was left out: PluginValidationError: …": Case(hook("return []", arguments="names")),
    "is not marked with @hookimpl": Case(hook("return []") + "\ndef ptycho_engines():\n    return []\n"),
    "has no function marked with @hookimpl": Case("import ptycho_host"),
    "brings … twice": Case(HEAD + TWO_OBJECTS, "a = PACKAGE.plugin:first\nb = PACKAGE.plugin:second"),
    "takes part already as …": Case(hook("return []"), "a = PACKAGE.plugin\nb = PACKAGE.plugin"),
    "is written for version … of the plugin API": Case("ptycho_api = 99\n" + hook("return []")),
    "ptycho_api is …, where a whole number is due": Case("ptycho_api = 'new'\n" + hook("return []")),
    "took … s to load": Case("import time; time.sleep(5.1)\n" + hook("return []")),
    "gave a warning: …": Case("import warnings; warnings.warn('old format')\n" + hook("return []")),
    "PTYCHO_LOAD_PLUGINS names …, which is no installed plugin": Case(
        hook("return []"), environment={"PTYCHO_LOAD_PLUGINS": "lab-good,lab-brokem"}
    ),
}

AT_USE = {
    "… is brought by several distributions; name one of them: …": Case(
        hook("return [Command('inspect', summary='', target='a:b')]", "ptycho_commands"),
        arguments=("inspect", "scan.npz"),
        code=2,
    ),
    "cannot be used: … failed with …": command("PACKAGE.nothing:greet", code=2),
    "cannot be used: … is not a function": command("PACKAGE.plugin:__name__", code=2),
    "the options of … cannot be read": Case(
        hook("return [Simulator('odd', summary='', target='PACKAGE.plugin:build')]", "ptycho_simulators")
        + "\ndef build(**options): ...\n",
        arguments=("simulate", "odd", "out.npz"),
        code=2,
    ),
    "cannot be used: Typer does not understand its signature": command("PACKAGE.plugin:greet", "x: int | str", code=2),
    "could not be built: …": simulator("raise ValueError('no lamp')"),
    "its factory returned …, where … is due": simulator("return None", code=2),
    "failed with … (PTYCHO_TRACE=1 shows the traceback)": simulator(
        "return lambda request, rng: __import__('json').loads('')"
    ),
    "was passed over: …": Case(
        hook("return [Reader('early', summary='', target='PACKAGE.plugin:Odd')]", "ptycho_readers")
        + "\nclass Odd:\n    def recognises(self, path):\n        raise OSError('no library')\n",
        arguments=("inspect", "scan.npz", "--json"),
    ),
    "observer … failed with …; the run goes on": Case(RUN, arguments=TRAIN, code=1),
}

IN_DOCTOR = {
    "is brought by … and …",
    "puts files into package … of …",
    "is loaded from …, which is not what … installed",
}


@dataclass(frozen=True)
class Site:
    """A folder on Python's path with distributions as pip lays them out, and `ptycho` run beside it."""

    folder: Path

    def install(self, distribution: str, source: str, entries: str = "PACKAGE = PACKAGE.plugin", *more: str) -> None:
        """`more`: other files that it has installed, as its list says."""
        package = distribution.replace("-", "_")
        info = f"{package}-1.2.3.dist-info"
        files = {
            f"{package}/__init__.py": "",
            f"{package}/plugin.py": source.replace("PACKAGE", package),
            f"{package}/parts.py": "def build():\n    raise OSError('no parts')\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2.3\n",
            f"{info}/entry_points.txt": f"[ptycho]\n{entries.replace('PACKAGE', package)}\n",
        }
        files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*files, *more))
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")

    def write(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content, encoding="utf-8")

    def ptycho(
        self, *arguments: str, python: tuple[str, ...] = (), before: tuple[Path, ...] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run with the plugins whose distribution begins with `lab-` alone, unless told."""
        path = os.pathsep.join(map(str, (*before, self.folder)))
        labs = ",".join(sorted(info.name.split("-1.2.3")[0] for info in self.folder.glob("*.dist-info")))
        return subprocess.run(
            [sys.executable, *python, "-m", "ptycho_host", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.folder.parent,
            env={**os.environ, "PYTHONPATH": path, "PTYCHO_LOAD_PLUGINS": labs, **environment},
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


@pytest.fixture
def with_scan(tmp_path: Path) -> None:
    write_scan(load_scan("siemens_star", limit=20), tmp_path / "scan.npz")


def pattern(message: str) -> str:
    """The message as a regular expression; "…" stands for anything on the line."""
    return "[^\n]*".join(re.escape(part) for part in message.split("…"))


def messages(section: str) -> set[str]:
    """The first column of the page's tables under a heading."""
    text = PAGE.read_text(encoding="utf-8").split("## What the messages mean")[1].split("## For programs")[0]
    (part,) = [part for part in text.split("\n### ") if part.startswith(section)]
    return set(re.findall(r"^\| `(.*?)` \|", part, re.MULTILINE))


def test_the_page_explains_just_what_is_tried_here():
    assert messages("When `ptycho` starts") == set(AT_START)
    assert messages("When a component is used") == set(AT_USE)
    assert messages("In `ptycho plugins doctor` alone") == IN_DOCTOR


@pytest.mark.parametrize(("message", "case"), AT_START.items(), ids=AT_START)
def test_a_plugin_that_is_wrong_at_start_hurts_itself_alone_and_is_named_once(site: Site, message: str, case: Case):
    site.install("lab-good", GOOD)
    site.install("lab-broken", case.source, case.entries)
    done = site.ptycho("plugins", "list", "--json", **case.environment)
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert "good" in {entry["name"] for entry in told["components"]}
    (line,) = done.stderr.splitlines()
    assert re.search(pattern(message), line)
    assert line.startswith("warning: ")
    assert line.endswith("(`ptycho plugins doctor` says more)")
    (problem,) = told["problems"]
    assert problem["message"] in line
    assert problem["advice"] in line
    if not case.environment:
        assert "of lab-broken" in line
        assert problem["distribution"] == "lab-broken"
        left_out = [plugin["left_out"] for plugin in told["plugins"] if plugin["name"] == problem["plugin"]]
        assert left_out == ["was left out" in line]


@pytest.mark.slow
def test_the_doctor_shows_all_that_is_wrong_with_details_and_advice(site: Site, tmp_path: Path):
    for number, case in enumerate(AT_START.values()):
        site.install(f"lab-{number}", case.source, case.entries)
    site.install("lab-good", GOOD)
    site.install("lab-same", GOOD)
    for number, message in enumerate(AT_USE):
        if "Typer" in message or "cannot" in message:
            site.install(f"lab-use-{number}", AT_USE[message].source)
    site.install("lab-thief", "", "a = lab_good.plugin")
    site.install("lab-guest", GOOD.replace('"good"', '"guest"'), "guest = PACKAGE.plugin", "ptycho_host/guest.py")
    site.install("lab-copied", hook("return []"))
    earlier = tmp_path / "earlier"
    (earlier / "lab_copied").mkdir(parents=True)
    (earlier / "lab_copied" / "plugin.py").write_text(hook("return []"))
    (earlier / "lab_copied" / "__init__.py").touch()

    names = ",".join(info.name.split("-1.2.3")[0] for info in site.folder.glob("*.dist-info"))
    done = site.ptycho("plugins", "doctor", before=(earlier,), PTYCHO_LOAD_PLUGINS=f"{names},lab-nothing")
    assert (done.returncode, done.stderr) == (1, "")
    expected = {*AT_START, *IN_DOCTOR, *(message for message in AT_USE if "Typer" in message or "cannot" in message)}
    found = re.findall(r"^PROBLEM (.*)\n        what to do: (.*)$", done.stdout, re.MULTILINE)
    for message in expected:
        assert any(re.search(pattern(message), problem) for problem, _ in found), message
    assert all(advice for _, advice in found)
    # The thief's entry point comes first, and still the package is that of lab-good.
    assert [problem for problem, _ in found if "puts files" in problem] == [
        "lab-guest puts files into package 'ptycho_host' of ptycho-host: 'ptycho_host/guest.py'"
    ]
    left_out = [problem for problem, _ in found if "was left out" in problem]
    assert done.stdout.count("| Traceback (most recent call last)") >= len(left_out)
    assert done.stdout.endswith(f", {len(found)} problems\n")
    row = next(line.split() for line in done.stdout.splitlines() if " lab-same " in line)
    assert row[:4] == ["lab_same", "lab-same", "1.2.3", "1"]


@pytest.mark.usefixtures("with_scan")
@pytest.mark.parametrize(("message", "case"), AT_USE.items(), ids=AT_USE)
def test_a_plugin_that_fails_at_use_is_named_in_one_sentence(site: Site, message: str, case: Case):
    site.install("lab-broken", case.source, case.entries)
    done = site.ptycho(*case.arguments)
    assert done.returncode == case.code
    lines = [line for line in done.stderr.splitlines() if re.search(pattern(message), line)]
    assert len(lines) == 1, done.stderr
    assert "lab-broken" in lines[0]
    assert "Traceback" not in done.stderr
    if "--json" in case.arguments:
        json.loads(done.stdout)
    if case.code:
        assert done.stdout == ""
    if case.code == 1:
        assert "PTYCHO_TRACE=1" in done.stderr
        assert "Traceback (most recent call last)" in site.ptycho(*case.arguments, PTYCHO_TRACE="1").stderr


@pytest.mark.parametrize(
    "case",
    [
        simulator("raise SystemExit(0)"),
        simulator("return lambda request, rng: exit(0)"),
        simulator("return lambda request: None"),
        command("PACKAGE.plugin:greet", body="return 1 / 0", code=1),
    ],
    ids=["factory exits", "exits at work", "takes other arguments", "command raises"],
)
def test_other_failures_at_work_end_with_code_1_too(site: Site, case: Case):
    site.install("lab-broken", case.source)
    done = site.ptycho(*case.arguments)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert re.search(r"lab-broken\)? (failed with|could not be built)", line)


@pytest.mark.parametrize("ending", ["raise SystemExit(5)", "import typer; raise typer.Exit(5)"])
def test_a_command_may_end_as_it_likes(site: Site, ending: str):
    site.install("lab-broken", command("PACKAGE.plugin:greet", body=ending, code=5).source)
    done = site.ptycho("greet")
    assert (done.returncode, done.stderr) == (5, "")


def test_an_interruption_goes_through(site: Site):
    site.install("lab-broken", "raise KeyboardInterrupt")
    done = site.ptycho("plugins", "list")
    assert done.returncode == 130
    assert "left out" not in done.stderr


def test_where_warnings_are_errors_the_plugin_is_left_out_and_the_host_runs(site: Site):
    site.install("lab-broken", AT_START["gave a warning: …"].source)
    done = site.ptycho("plugins", "list", python=("-W", "error"))
    assert done.returncode == 0
    assert "'lab_broken' of lab-broken was left out: UserWarning: old format" in done.stderr


# --- standard output is for results ----------------------------------------------------------------------------

NOISE = """
import ctypes, os, subprocess, sys
print("noise")
os.write(1, b"noise\\n")
subprocess.run([sys.executable, "-c", "print('noise')"])
ctypes.CDLL(None).puts(b"noise")
"""


@pytest.mark.skipif(os.name != "posix", reason="C's own output is looked after on POSIX alone")
@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        (("plugins", "list", "--json"), json.loads),
        (("inspect", "lab_scan", "--json"), json.loads),
        ((*TRAIN, "--dry-run"), __import__("tomllib").loads),
    ],
    ids=["list", "inspect", "dry run"],
)
def test_what_plugins_print_does_not_mix_with_results(site: Site, arguments: tuple[str, ...], read: Callable):
    noisy = "".join(f"    {line}\n" for line in NOISE.strip().splitlines())
    site.install("lab-broken", NOISE + RUN)
    site.write(
        "lab_broken/parts.py",
        f"{NOISE}\nfrom ptycho_host import load_scan\n"
        f"def build():\n{noisy}    def scan():\n{noisy.replace('    ', '        ')}"
        "        return load_scan('siemens_star')\n    return scan\n",
    )
    done = site.ptycho(*arguments)
    assert done.returncode == 0, done.stderr
    assert "noise" not in done.stdout
    assert done.stderr.count("noise") >= 4
    assert read(done.stdout)


# --- traces ----------------------------------------------------------------------------------------------------


def test_traces_tell_what_was_called_how_long_it_took_and_how_it_ended(site: Site):
    site.install("lab-good", GOOD)
    site.install("lab-broken", "raise RuntimeError('no driver')")
    done = site.ptycho("plugins", "list", "--json", PTYCHO_TRACE="1")
    json.loads(done.stdout)
    traced = [re.sub(r"seconds=\d+\.\d{6}", "seconds=#", line) for line in done.stderr.splitlines()]
    assert "trace load seconds=# outcome=ok distribution=lab-good plugin=lab_good" in traced
    assert "trace hook seconds=# outcome=ok distribution=lab-good plugin=lab_good hook=ptycho_losses" in traced
    assert "trace load seconds=# outcome=RuntimeError distribution=lab-broken plugin=lab_broken" in traced
    assert "trace import seconds=# outcome=ok distribution=ptycho-host target=ptycho_host.cli.plugins:app" in traced
    assert "Traceback (most recent call last):" in traced


@pytest.mark.parametrize("off", ["", "0"])
def test_traces_are_off_unless_asked_for(site: Site, off: str):
    site.install("lab-good", GOOD)
    assert site.ptycho("plugins", "list", PTYCHO_TRACE=off).stderr == ""


def test_observers_are_traced(site: Site):
    site.install("lab-broken", RUN)
    done = site.ptycho(*TRAIN, PTYCHO_TRACE="1")
    assert re.search(
        r"^trace hook .* outcome=OSError plugin=lab-broken:lab_broken hook=ptycho_run_started$", done.stderr, re.M
    )
