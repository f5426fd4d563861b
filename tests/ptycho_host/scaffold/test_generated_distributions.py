"""Every kind that `ptycho new` knows: built, installed in a fresh environment, tested by its own tests, and used."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import h5py
import numpy as np
import pytest

from ptycho_host import Host
from ptycho_host.scaffold.blueprints import BLUEPRINTS, Blueprint
from ptycho_host.scaffold.creation import NewDistribution, create

SMALL = "--simulate lines --set simulator.size=96 --set simulator.pixels=32 --epochs 1 --set engine.threads=1 --out run"
SCAN = "siemens_star"

pytestmark = pytest.mark.slow


def label(blueprint: Blueprint) -> str:
    return "-".join(filter(None, (blueprint.kind, blueprint.backend)))


@dataclass(frozen=True)
class Workshop:
    """New distributions, installed in one environment, and what came of using them there."""

    environment: Any
    made: dict[str, NewDistribution]
    tests: subprocess.CompletedProcess[str]
    outcomes: dict[str, set[str]]
    """What happened to the tests of each: passed, skipped, failure, error."""
    folder: Path

    def ptycho(self, line: str, folder: Path) -> str:
        done = self.environment.run("ptycho", *shlex.split(line), cwd=folder)
        assert done.returncode == 0, f"ptycho {line}\n{done.stdout}\n{done.stderr}"
        assert "warning" not in done.stderr, f"ptycho {line}\n{done.stderr}"
        return str(done.stdout)


@pytest.fixture(scope="module")
def workshops(
    tmp_path_factory: pytest.TempPathFactory, fresh_environment: Callable[..., Any]
) -> Callable[[Blueprint], Workshop]:
    """The workshop of a blueprint: those that need the same share one, since most of the time goes into imports."""
    host = Host.discover()

    @cache
    def open_workshop(*environment: str) -> Workshop:
        folder = tmp_path_factory.mktemp("workshop")
        blueprints = [blueprint for blueprint in BLUEPRINTS if environment_of(blueprint) == environment]
        made = {
            (name := label(blueprint)): create(
                blueprint.kind, f"trial-{name}", folder / name, backend=blueprint.backend, host=host
            )
            for blueprint in blueprints
        }
        wheels = folder / "wheels"
        options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(wheels)]
        sources = [str(new.folder) for new in made.values()]
        subprocess.run([sys.executable, "-m", "pip", "wheel", *options, *sources], check=True, timeout=300)
        used = fresh_environment(*environment)
        # With their requirements: they are there already, or they were forgotten in the blueprint.
        used.install(*wheels.glob("*.whl"))

        # Tests and settings alone: what the tests import is what the wheel brought.
        suites = folder / "suites"
        for name, new in made.items():
            shutil.copytree(new.folder / "tests", suites / name / "tests")
            shutil.copy(new.folder / "pyproject.toml", suites)
        tests = used.run("pytest", "-q", "-W", "error", "--junit-xml", "outcomes.xml", *made, cwd=suites)
        workshop = Workshop(used, made, tests, outcomes_in(suites / "outcomes.xml"), folder)
        if chosen := [flags(new) for new in made.values() if new.blueprint.kind in OPTIONS]:
            workshop.ptycho(f"train {SMALL} {' '.join(chosen)}", folder)
        return workshop

    return lambda blueprint: open_workshop(*environment_of(blueprint))


def outcomes_in(report: Path) -> dict[str, set[str]]:
    """By the first folder of the tests' paths."""
    found = defaultdict[str, set[str]](set)
    for case in ET.parse(report).iter("testcase"):
        kinds = {child.tag for child in case} & {"skipped", "failure", "error"}
        found[case.attrib["classname"].partition(".")[0]] |= kinds or {"passed"}
    return found


def flags(made: NewDistribution) -> str:
    """The part of a command line that trains with the new component, and with an option of its own."""
    section, flag, setting = OPTIONS[made.blueprint.kind]
    return f"--{flag} {made.names.component} --set {section}.{setting}"


@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=label)
def test_generated_distribution(
    blueprint: Blueprint, workshops: Callable[[Blueprint], Workshop], tmp_path: Path
) -> None:
    workshop = workshops(blueprint)
    outcomes = workshop.outcomes[label(blueprint)]
    assert {"passed"} <= outcomes <= {"passed", "skipped"}, workshop.tests.stdout + workshop.tests.stderr
    USES[blueprint.kind](workshop, workshop.made[label(blueprint)], tmp_path)


def environment_of(blueprint: Blueprint) -> tuple[str, ...]:
    """Requirements and name of one of three environments: for each back-end, and without any tensor library."""
    if any("torch" in requirement for requirement in blueprint.trial):
        return ("ptycho-host[torch]", "new-torch", "ptycho-host[testing]")
    if any("tf" in requirement for requirement in blueprint.trial):
        return ("ptycho-host", "new-tensorflow", "ptycho-host[testing,tf]")
    return ("ptycho-host", "new", "ptycho-host[testing]")


# --- how each kind is used -------------------------------------------------------------------------------------------

Use = Callable[[Workshop, NewDistribution, Path], None]

OPTIONS = {
    "generator": ("generator", "generator", "width=8"),
    "loss": ("loss", "loss", "threshold=0.05"),
    "clipper": ("clip", "clip", "multiple=3.0"),
    "stitcher": ("stitch", "stitch", "sharpness=1.0"),
    "refiner": ("refiner", "refine", "epochs=2"),
}
"""Section of the settings, flag of the command and an option of each kind of which a run of training has one."""


def trained(workshop: Workshop, made: NewDistribution, folder: Path) -> None:
    """The component is, with its option, in the configuration of the run that was trained with it."""
    section, _, setting = OPTIONS[made.blueprint.kind]
    option, _, value = setting.partition("=")
    run = workshop.folder / "run"
    chosen = tomllib.loads((run / "config.toml").read_text(encoding="utf-8"))[section]
    assert chosen["name"] == made.names.component
    # A loss may be a sum, so the options of each term stand under its name.
    options = chosen[made.names.component] if section == "loss" else chosen
    assert options[option] == json.loads(value)
    assert (run / "report.html").is_file()


def simulated(workshop: Workshop, made: NewDistribution, folder: Path) -> None:
    workshop.ptycho(f"simulate {made.names.component} scan.npz --set spheres=5 --set size=96 --set pixels=32", folder)
    assert inspected(workshop, "scan.npz", folder) == {"name": "scan", "patterns": 121, "pixels": 32}


def read(workshop: Workshop, made: NewDistribution, folder: Path) -> None:
    # Written by hand after the table in its layout.py.
    name = f"scan.{made.names.component}"
    with h5py.File(folder / name, "w") as file:
        file.attrs["format"] = made.names.component
        file["counts"] = np.random.default_rng(0).poisson(50, (4, 16, 16))
        file["positions"] = [[8.0, 8.0], [8.0, 11.0], [11.0, 8.0], [11.0, 11.0]]
        file["probe"] = np.ones((16, 16), np.complex64)
    assert inspected(workshop, name, folder) == {"name": "scan", "patterns": 4, "pixels": 16}


def written(workshop: Workshop, made: NewDistribution, folder: Path) -> None:
    name = f"scan.{made.names.component}"
    workshop.ptycho(f"convert {SCAN} {name} --set writer.chunk=50", folder)
    workshop.ptycho(f"convert {SCAN} scan.npz", folder)
    with h5py.File(folder / name) as file, np.load(folder / "scan.npz") as due:
        assert file["counts"].chunks == (50, 64, 64)
        assert np.array_equal(np.sqrt(file["counts"][:]).astype(np.float32), due["diff3d"])
        assert np.array_equal(file["object"], due["objectGuess"])


def there_and_back(workshop: Workshop, made: NewDistribution, folder: Path) -> None:
    written(workshop, made, folder)
    assert inspected(workshop, f"scan.{made.names.component}", folder) == inspected(workshop, "scan.npz", folder)


def inspected(workshop: Workshop, file: str, folder: Path) -> dict[str, object]:
    """Some of what `ptycho inspect` says about the file."""
    summary = json.loads(workshop.ptycho(f"inspect {file} --json", folder))
    return {key: summary[key] for key in ("name", "patterns", "pixels")}


def observed(workshop: Workshop, made: NewDistribution, folder: Path) -> None:
    with (workshop.folder / "run" / f"{made.names.component}.csv").open(newline="", encoding="utf-8") as file:
        heading, epoch, outcome = csv.reader(file)
    assert (heading[0], epoch[0], outcome) == ("epoch", "1", ["# done"])


def commanded(workshop: Workshop, made: NewDistribution, folder: Path) -> None:
    assert made.names.component in workshop.ptycho("--help", folder)
    rings = json.loads(workshop.ptycho(f"{made.names.component} {SCAN} --width 16 --json", folder))
    # 64 pixels: the corners lie 45 from the centre, in the third ring, where hardly any photon arrives.
    assert len(rings["counts"]) == 3
    assert rings["counts"][2] < min(rings["counts"][:2])


USES: dict[str, Use] = {
    **dict.fromkeys(OPTIONS, trained),
    "simulator": simulated,
    "reader": read,
    "writer": written,
    "format": there_and_back,
    "command": commanded,
    "observer": observed,
}
