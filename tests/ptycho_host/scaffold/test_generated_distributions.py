"""Every kind that `ptycho new` knows: built, installed in a fresh environment, tested by its own tests, and used."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
class Trial:
    """A new distribution and its wheel."""

    made: NewDistribution
    wheel: Path


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trial]:
    """One of each kind, by label; one call of pip builds all wheels, since it takes longer to start than to build."""
    folder, host = tmp_path_factory.mktemp("trials"), Host.discover()
    made = {
        label(blueprint): create(
            blueprint.kind,
            f"trial-{label(blueprint)}",
            folder / label(blueprint),
            backend=blueprint.backend,
            host=host,
        )
        for blueprint in BLUEPRINTS
    }
    wheels = folder / "wheels"
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(wheels)]
    sources = [str(new.folder) for new in made.values()]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, *sources], check=True, timeout=300)
    return {name: Trial(new, next(wheels.glob(f"{new.names.package}-*.whl"))) for name, new in made.items()}


@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=label)
def test_generated_distribution(
    blueprint: Blueprint, trials: dict[str, Trial], tmp_path: Path, fresh_environment: Callable[..., Any]
) -> None:
    made, wheel = trials[label(blueprint)].made, trials[label(blueprint)].wheel
    environment = fresh_environment(*environment_of(blueprint))
    # With its requirements: they are there already, or they were forgotten in the blueprint.
    environment.install(wheel)

    # Tests and settings alone: what the tests import is what the wheel brought.
    shutil.copytree(made.folder / "tests", tmp_path / "suite" / "tests")
    shutil.copy(made.folder / "pyproject.toml", tmp_path / "suite")

    def ptycho(line: str) -> str:
        done = environment.run("ptycho", *shlex.split(line), cwd=tmp_path)
        assert done.returncode == 0, f"ptycho {line}\n{done.stdout}\n{done.stderr}"
        assert "warning" not in done.stderr, f"ptycho {line}\n{done.stderr}"
        return str(done.stdout)

    # Side by side: most of either is waiting for imports and compilers.
    with ThreadPoolExecutor() as pool:
        suite = pool.submit(environment.run, "pytest", "-q", "-W", "error", cwd=tmp_path / "suite")
        USES[blueprint.kind](ptycho, made, tmp_path)
        tests = suite.result()
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert " passed" in tests.stdout


def environment_of(blueprint: Blueprint) -> tuple[str, ...]:
    """Name and requirements of one of three environments: for each back-end, and without any tensor library."""
    for backend, extra in (("torch", "torch"), ("tensorflow", "tf")):
        if any(extra in requirement for requirement in blueprint.trial):
            return (f"new-{backend}", f"ptycho-host[testing,{extra}]")
    return ("new", "ptycho-host[testing]")


# --- how each kind is used -------------------------------------------------------------------------------------------

Ptycho = Callable[[str], str]
Use = Callable[[Ptycho, NewDistribution, Path], None]

NETWORKS = {
    "torch": "--generator stable_hybrid --set generator.width=8",
    "tensorflow": "--generator pinn --set generator.n_filters_scale=1",
}
"""Small ones of ours, for the kinds that are not networks themselves."""


def trained(section: str, flag: str, setting: str) -> Use:
    """Trains with the component and finds it, with its option, in the run's configuration."""

    def use(ptycho: Ptycho, made: NewDistribution, folder: Path) -> None:
        option, _, value = setting.partition("=")
        network = "" if flag == "generator" else NETWORKS[made.blueprint.backend or "torch"]
        ptycho(f"train {SMALL} {network} --{flag} {made.names.component} --set {section}.{setting}")
        chosen = tomllib.loads((folder / "run" / "config.toml").read_text(encoding="utf-8"))[section]
        assert chosen["name"] == made.names.component
        # A loss may be a sum, so the options of each term stand under its name.
        options = chosen[made.names.component] if section == "loss" else chosen
        assert options[option] == json.loads(value)
        assert (folder / "run" / "report.html").is_file()

    return use


def simulated(ptycho: Ptycho, made: NewDistribution, folder: Path) -> None:
    ptycho(f"simulate {made.names.component} scan.npz --set spheres=5 --set size=96 --set pixels=32")
    assert inspected(ptycho, "scan.npz") == {"name": "scan", "patterns": 121, "pixels": 32}


def read(ptycho: Ptycho, made: NewDistribution, folder: Path) -> None:
    # Written by hand after the table in its layout.py.
    name = f"scan.{made.names.component}"
    with h5py.File(folder / name, "w") as file:
        file.attrs["format"] = made.names.component
        file["counts"] = np.random.default_rng(0).poisson(50, (4, 16, 16))
        file["positions"] = [[8.0, 8.0], [8.0, 11.0], [11.0, 8.0], [11.0, 11.0]]
        file["probe"] = np.ones((16, 16), np.complex64)
    assert inspected(ptycho, name) == {"name": "scan", "patterns": 4, "pixels": 16}


def written(ptycho: Ptycho, made: NewDistribution, folder: Path) -> None:
    name = f"scan.{made.names.component}"
    ptycho(f"convert {SCAN} {name} --set writer.chunk=50")
    ptycho(f"convert {SCAN} scan.npz")
    with h5py.File(folder / name) as file, np.load(folder / "scan.npz") as due:
        assert file["counts"].chunks == (50, 64, 64)
        assert np.array_equal(np.sqrt(file["counts"][:]).astype(np.float32), due["diff3d"])
        assert np.array_equal(file["object"], due["objectGuess"])


def there_and_back(ptycho: Ptycho, made: NewDistribution, folder: Path) -> None:
    written(ptycho, made, folder)
    assert inspected(ptycho, f"scan.{made.names.component}") == inspected(ptycho, "scan.npz")


def inspected(ptycho: Ptycho, file: str) -> dict[str, object]:
    """Some of what `ptycho inspect` says about the file."""
    summary = json.loads(ptycho(f"inspect {file} --json"))
    return {key: summary[key] for key in ("name", "patterns", "pixels")}


def observed(ptycho: Ptycho, made: NewDistribution, folder: Path) -> None:
    ptycho(f"train {SMALL} {NETWORKS['torch']}")
    with (folder / "run" / f"{made.names.component}.csv").open(newline="", encoding="utf-8") as file:
        heading, epoch, outcome = csv.reader(file)
    assert (heading[0], epoch[0], outcome) == ("epoch", "1", ["# done"])


def commanded(ptycho: Ptycho, made: NewDistribution, folder: Path) -> None:
    assert made.names.component in ptycho("--help")
    rings = json.loads(ptycho(f"{made.names.component} {SCAN} --width 16 --json"))
    # 64 pixels: the corners lie 45 from the centre, in the third ring, where hardly any photon arrives.
    assert len(rings["counts"]) == 3
    assert rings["counts"][2] < min(rings["counts"][:2])


USES: dict[str, Use] = {
    "generator": trained("generator", "generator", "width=8"),
    "loss": trained("loss", "loss", "threshold=0.05"),
    "clipper": trained("clip", "clip", "multiple=3.0"),
    "stitcher": trained("stitch", "stitch", "sharpness=1.0"),
    "refiner": trained("refiner", "refine", "epochs=2"),
    "simulator": simulated,
    "reader": read,
    "writer": written,
    "format": there_and_back,
    "command": commanded,
    "observer": observed,
}
