"""Each distribution by itself: complete metadata, nothing missing or stray inside, a life without the repository."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from build import ProjectBuilder
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FOLDERS = [
    path.parent
    for pattern in ("pyproject.toml", "plugins/*/pyproject.toml", "ptycho_contrib_*/pyproject.toml")
    for path in sorted(ROOT.glob(pattern))
]
PROJECTS = {
    tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]: folder
    for folder in FOLDERS
}
TENSORFLOW = {"tensorflow", "tensorflow-cpu", "keras"}
CLASSIFIERS = {
    "Intended Audience :: Science/Research",
    "Operating System :: OS Independent",
    "Programming Language :: Python :: 3.11",
    "Programming Language :: Python :: 3.12",
    "Programming Language :: Python :: 3.13",
    "Typing :: Typed",
}
FOR_OTHERS = {"ptycho-ptychodus": ("ptychodus/plugins/ptycho_host.py", "ptychodus_plugins/ptycho_host.py")}
"""What a wheel installs into another program's package, which looks for plugins there, and where its source stands."""
REPOSITORY = "https://github.com/ptycho-host/ptycho-host"
SMALL = ("--simulate", "lines", "--set", "simulator.size=96", "--set", "simulator.pixels=32", "--epochs", "1")

every_distribution = pytest.mark.parametrize("name", PROJECTS)


def package_of(name: str) -> str:
    return name.replace("-", "_")


def wheel_of(name: str, folder: Path) -> Path:
    (found,) = folder.glob(f"{package_of(name)}-*.whl")
    return found


def contents(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as archive:
        return {entry: archive.read(entry) for entry in archive.namelist()}


def metadata_of(wheel: Path) -> Metadata:
    """Read strictly: an unknown or malformed field is an error."""
    (text,) = (content for entry, content in contents(wheel).items() if entry.endswith(".dist-info/METADATA"))
    return Metadata.from_email(text, validate=True)


@pytest.fixture(scope="session")
def sdists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of each distribution."""
    folder = tmp_path_factory.mktemp("sdists")
    for source in FOLDERS:
        ProjectBuilder(source, runner=quietly).build("sdist", folder)
    return folder


def quietly(command: Any, cwd: str | None = None, extra_environ: Any = None) -> None:
    import os

    subprocess.run(command, cwd=cwd, env=os.environ | (extra_environ or {}), check=True, capture_output=True)


def sdist_of(name: str, folder: Path) -> Path:
    (found,) = folder.glob(f"{package_of(name)}-*.tar.gz")
    return found


@every_distribution
def test_metadata_are_complete(name: str, wheelhouse: Path) -> None:
    told = metadata_of(wheel_of(name, wheelhouse))
    assert told.name == name
    assert str(told.version) == metadata.version("ptycho-host")
    assert told.summary
    assert len(told.summary) < 120
    assert told.description is not None
    assert told.description.startswith(f"# {name}\n")
    assert told.description_content_type == "text/markdown"
    # A package index knows no files beside the README. The host's is also the front page of the repository.
    assert name == "ptycho-host" or not re.findall(r"\]\((?!https://)", told.description)
    assert "BSD-3-Clause" in str(told.license_expression)
    assert "LICENSE" in (told.license_files or [])
    assert told.author == "The ptycho-host developers"
    assert "ptychography" in (told.keywords or [])
    assert set(told.classifiers or []) >= CLASSIFIERS
    assert not [entry for entry in told.classifiers or [] if entry.startswith("License ::")], "PEP 639 has them instead"
    assert str(told.requires_python) == ">=3.11"
    assert set(told.project_urls or {}) == {"Homepage", "Documentation", "Source", "Issues", "Changelog"}
    assert all(url.startswith(REPOSITORY) for url in (told.project_urls or {}).values())


@every_distribution
def test_every_dependency_states_its_oldest_version(name: str, wheelhouse: Path) -> None:
    requirements = metadata_of(wheel_of(name, wheelhouse)).requires_dist or []
    for requirement in requirements:
        own = canonicalize_name(requirement.name) == name
        assert own or any(bound.operator == ">=" for bound in requirement.specifier), str(requirement)
        assert not any(bound.operator in ("<", "<=", "==", "~=") for bound in requirement.specifier), str(requirement)
    if name != "ptycho-host":
        assert "ptycho-host>=0.1" in map(str, requirements)


NAMED = {"ptycho-networks": {"ptycho-contrib-fno"}}
"""What a distribution needs because its run directories name components of it, not because it imports it."""


@every_distribution
def test_what_is_imported_is_declared_and_what_is_declared_is_imported(name: str, wheelhouse: Path) -> None:
    told = metadata_of(wheel_of(name, wheelhouse))
    needed = {canonicalize_name(entry.name) for entry in told.requires_dist or [] if not of_an_extra(entry)}
    offered = {canonicalize_name(entry.name) for entry in told.requires_dist or [] if of_an_extra(entry)}
    imported = set(imported_distributions(PROJECTS[name] / package_of(name))) - {name}
    assert imported <= needed | offered
    assert needed - NAMED.get(name, set()) <= imported


def of_an_extra(requirement: Requirement) -> bool:
    return "extra ==" in str(requirement.marker)


def imported_distributions(package: Path) -> Iterator[str]:
    """Distributions of the modules that a package imports; an editable one of ours is called like its package."""
    owners = metadata.packages_distributions()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for module in (name.partition(".")[0] for name in names):
                if module not in sys.stdlib_module_names:
                    yield canonicalize_name(owners.get(module, [module])[0])


@every_distribution
def test_a_wheel_holds_the_package_and_nothing_else(name: str, wheelhouse: Path) -> None:
    package = PROJECTS[name] / package_of(name)
    found = contents(wheel_of(name, wheelhouse))
    inside = {entry for entry in found if not entry.partition("/")[0].endswith(".dist-info")}
    assert inside == {*FOR_OTHERS.get(name, ())[:1]} | {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert f"{package.name}/py.typed" in inside
    assert not [
        entry for entry in inside if re.search(r"(^|/)(test_|conftest|\.)", entry) and "/templates/" not in entry
    ]
    (licence,) = (text for entry, text in found.items() if entry.endswith(".dist-info/licenses/LICENSE"))
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_what_the_host_reads_beside_its_code_is_in_its_wheel(wheelhouse: Path) -> None:
    found = contents(wheel_of("ptycho-host", wheelhouse))
    suffixes = {Path(entry).suffix for entry in found}
    assert suffixes >= {".npz", ".j2", ".toml", ".typed", ".txt"}
    assert "ptycho_host/registry.toml" in found
    assert b"ptycho = ptycho_host.cli.app:main" in found["ptycho_host-0.1.0.dist-info/entry_points.txt"]
    licences = [entry for entry in found if "/licenses/" in entry and entry.endswith(".LICENSE.txt")]
    assert licences, "the licence of the embedded scan"


@pytest.mark.slow
@every_distribution
def test_an_sdist_holds_the_sources_and_nothing_else(name: str, sdists: Path) -> None:
    with tarfile.open(sdist_of(name, sdists)) as archive:
        inside = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    beside = {entry for entry in inside if entry.partition("/")[0] != package_of(name)}
    # hatchling adds .gitignore, so that the wheel made from the sdist leaves out the same files.
    written = {"PKG-INFO", "README.md", "LICENSE", "pyproject.toml", ".gitignore", *FOR_OTHERS.get(name, ())[1:]}
    assert beside - {"CHANGELOG.md"} == written


@pytest.mark.slow
def test_a_wheel_from_the_sdist_equals_that_from_the_tree(wheelhouse: Path, sdists: Path, tmp_path: Path) -> None:
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(tmp_path)]
    archives = map(str, sorted(sdists.glob("*.tar.gz")))
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, *archives], check=True, timeout=300)
    for name in PROJECTS:
        assert contents(wheel_of(name, tmp_path)) == contents(wheel_of(name, wheelhouse)), name


# --- what an installation brings -------------------------------------------------------------------------------------


def closure(requirement: str, wheelhouse: Path) -> set[str]:
    """All distributions that a requirement needs on this machine, by the metadata of our wheels and of what is here."""
    wanted, seen = [Requirement(requirement)], set[tuple[str, str]]()
    while wanted:
        entry = wanted.pop()
        name = canonicalize_name(entry.name)
        for extra in ("", *entry.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                wanted += [needed for needed in requirements_of(name, wheelhouse) if applies(needed, extra)]
    return {name for name, _ in seen}


def requirements_of(name: str, wheelhouse: Path) -> list[Requirement]:
    if name in PROJECTS:
        return metadata_of(wheel_of(name, wheelhouse)).requires_dist or []
    return [Requirement(text) for text in metadata.requires(name) or []]


def applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


@pytest.mark.parametrize(
    "requirement",
    ["ptycho-host[torch]", "ptycho-torch", "ptycho-contrib-fno", "ptycho-losses[torch]", "ptycho-agc[torch]"],
)
def test_what_is_for_torch_brings_no_tensorflow(requirement: str, wheelhouse: Path) -> None:
    found = closure(requirement, wheelhouse)
    assert "torch" in found
    assert not found & TENSORFLOW


@pytest.mark.parametrize(
    "requirement",
    ["ptycho-host[tf]", "ptycho-contrib-tf[cpu]", "ptycho-losses[tensorflow]", "ptycho-agc[tensorflow]"],
)
def test_what_is_for_tensorflow_brings_no_torch(requirement: str, wheelhouse: Path) -> None:
    found = closure(requirement, wheelhouse)
    assert "tensorflow-cpu" in found
    assert "tensorflow" not in found, "both builds would overwrite each other's files"
    assert not {name for name in found if "torch" in name or "lightning" in name}


@pytest.mark.parametrize(
    "name", ["ptycho-host", "ptycho-losses", "ptycho-agc", "ptycho-simulators", "ptycho-stitchers"]
)
def test_what_works_on_numpy_brings_no_tensor_library(name: str, wheelhouse: Path) -> None:
    assert not closure(name, wheelhouse) & {"torch", *TENSORFLOW}


def test_all_brings_every_distribution(wheelhouse: Path) -> None:
    assert closure("ptycho-host[all]", wheelhouse) >= {*PROJECTS, "torch", "tensorflow-cpu"}


# --- without the repository ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_host_alone_works_and_says_what_is_missing(fresh_environment: Callable[..., Any], tmp_path: Path) -> None:
    bare = fresh_environment("ptycho-host")
    bare.check()

    def ptycho(*arguments: str, code: int = 0) -> tuple[str, str]:
        done = bare.run("ptycho", *arguments, cwd=tmp_path)
        assert done.returncode == code, f"ptycho {arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout, done.stderr

    where = bare.run("python", "-c", "import ptycho_host; print(ptycho_host.__file__)", cwd=tmp_path)
    assert Path(where.stdout.strip()).is_relative_to(bare.folder)
    assert ptycho("--version") == (f"ptycho-host {metadata.version('ptycho-host')}\n", "")

    for command in ("list", "doctor"):
        out, missing = ptycho("plugins", command)
        assert "host" in out
        assert "not installed: engine fabric; run 'pip install \"ptycho-host[torch]\"'" in missing
        assert "not installed: engine keras; run 'pip install \"ptycho-host[tf]\"'" in missing
        assert re.search(r"generator .*stable_hybrid.*; run 'pip install ptycho-contrib-fno'", missing)
    assert ptycho("train", code=2) == (
        "",
        "error: no engine is installed to train with. Run 'pip install \"ptycho-host[torch]\"'.\n",
    )
    assert "ptycho-host[tf]" in ptycho("train", "--generator", "pinn", code=2)[1]
    assert "pip install ptycho-simulators" in ptycho("simulate", "lines", "scan.npz", code=2)[1]

    # Data and templates travel in the wheel.
    assert "116" in ptycho("inspect", "siemens_star")[0]
    ptycho("new", "command", "rings-of-mine")
    assert (tmp_path / "rings-of-mine" / "pyproject.toml").is_file()


@pytest.mark.slow
def test_one_command_brings_all_that_training_on_torch_needs(
    fresh_environment: Callable[..., Any], tmp_path: Path
) -> None:
    environment = fresh_environment("ptycho-host[torch]")
    environment.check()
    done = environment.run("ptycho", "train", *SMALL, "--set", "engine.threads=1", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "run" / "report.html").is_file()
    listed = environment.run("python", "-m", "ptycho_host", "plugins", "doctor", cwd=tmp_path)
    assert listed.returncode == 0, listed.stdout + listed.stderr
    assert "0 problems" in listed.stdout


@pytest.mark.slow
def test_pip_chooses_for_tensorflow_as_the_metadata_say(
    fresh_environment: Callable[..., Any], wheelhouse: Path
) -> None:
    chosen = fresh_environment("ptycho-host").would_install("ptycho-host[tf]")
    assert chosen >= {"ptycho-contrib-tf", "ptycho-losses", "ptycho-agc", "tensorflow-cpu", "keras"}
    assert "torch" not in chosen
    assert chosen <= closure("ptycho-host[tf]", wheelhouse)
