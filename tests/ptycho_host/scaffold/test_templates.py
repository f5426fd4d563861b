"""What `ptycho new` writes, looked at without installing it: complete, valid, typed, and in good style."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from ptycho_host.components import KINDS
from ptycho_host.scaffold.blueprints import BLUEPRINTS, Blueprint
from ptycho_host.scaffold.names import LONGEST, Names
from ptycho_host.scaffold.rendering import Rendered, render

CONFIGURATION = Path(__file__).parents[3] / "pyproject.toml"
COMMON = {
    ".github/workflows/test.yml",
    ".gitignore",
    "LICENSE",
    "README.md",
    "my_part/__init__.py",
    "my_part/plugin.py",
    "my_part/py.typed",
    "pyproject.toml",
}


def label(blueprint: Blueprint) -> str:
    return "-".join(filter(None, (blueprint.kind, blueprint.backend)))


def rendered(blueprint: Blueprint, name: str = "my-part") -> Rendered:
    return render(blueprint, Names.of(name, kind=blueprint.kind))


def parsed(files: dict[PurePosixPath, str]) -> Iterator[tuple[PurePosixPath, ast.Module]]:
    return ((path, ast.parse(text)) for path, text in files.items() if path.suffix == ".py")


def test_every_kind_of_component_has_a_blueprint_but_those_that_are_no_afternoons_work() -> None:
    written = {part.kind for blueprint in BLUEPRINTS for part in blueprint.parts}
    assert written == KINDS.keys() - {"engine", "dataset", "network"}


@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=label)
class TestFiles:
    def test_the_distribution_is_complete(self, blueprint: Blueprint) -> None:
        files = {str(path) for path in rendered(blueprint).files}
        assert files >= COMMON
        assert any(name.startswith("tests/test_") for name in files)
        # Each part's factory stands where the plugin says.
        for part in blueprint.parts:
            module, _, factory = part.target.partition(":")
            tree = ast.parse(rendered(blueprint).files[PurePosixPath(f"my_part/{module}.py")])
            assert factory in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}

    def test_nothing_of_the_templates_is_left(self, blueprint: Blueprint) -> None:
        for path, text in rendered(blueprint).files.items():
            # GitHub's own marks begin with a dollar.
            assert "{{" not in text.replace("${{", ""), path
            assert "{%" not in text, path
            assert text == "" or text.endswith("\n"), path
            assert not text.endswith("\n\n"), path

    def test_the_metadata_name_entry_point_and_licence(self, blueprint: Blueprint) -> None:
        project = tomllib.loads(rendered(blueprint).files[PurePosixPath("pyproject.toml")])["project"]
        assert project["name"] == "my-part"
        assert list(project["entry-points"]["ptycho"].values()) == ["my_part.plugin"]
        assert project["license"] == "BSD-3-Clause"
        assert any(
            requirement.startswith("ptycho-host[testing") for requirement in project["optional-dependencies"]["test"]
        )
        libraries = {"torch": "torch>=", "tensorflow": "ptycho-contrib-tf"}
        for backend, library in libraries.items():
            needs = any(requirement.startswith(library) for requirement in project["dependencies"])
            assert needs == (blueprint.backend == backend)

    def test_the_plugin_declares_the_version_it_is_written_for(self, blueprint: Blueprint) -> None:
        assert "\nptycho_api = 1\n" in rendered(blueprint).files[PurePosixPath("my_part/plugin.py")]

    def test_every_function_is_typed_and_documented(self, blueprint: Blueprint) -> None:
        for path, tree in parsed(rendered(blueprint).files):
            for node in ast.walk(tree):
                if not isinstance(node, ast.FunctionDef) or path.parts[0] == "tests":
                    continue
                assert node.returns is not None, (path, node.name)
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                bare = [entry.arg for entry in arguments if entry.annotation is None and entry.arg != "self"]
                assert bare == [], (path, node.name)

    def test_options_are_described_and_have_defaults(self, blueprint: Blueprint) -> None:
        for path, tree in parsed(rendered(blueprint).files):
            for node in tree.body:
                if isinstance(node, ast.FunctionDef) and node.name == "build":
                    assert len(node.args.kwonlyargs) >= 2
                    assert all(node.args.kw_defaults)
                    described = [ast.unparse(entry.annotation or node) for entry in node.args.kwonlyargs]
                    assert all("description=" in annotation for annotation in described), path


@pytest.mark.parametrize("name", ["mynet", "Ptycho-My.Part", "n" * LONGEST], ids=["short", "mixed", "longest"])
def test_ruff_finds_nothing(name: str, tmp_path: Path) -> None:
    """With the settings that each distribution brings, and with ours for the package."""
    for blueprint in BLUEPRINTS:
        for path, text in rendered(blueprint, name).files.items():
            file = tmp_path / label(blueprint) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    # Where a name stands a line may want to be broken elsewhere: only the usual lengths come out as formatted.
    format_check = [] if len(name) == LONGEST else [["format", "--check", "--no-cache"]]
    ours = ["check", "--no-cache", "--config", str(CONFIGURATION), "--ignore", "I001", "--exclude", "tests"]
    for command in (["check", "--no-cache"], ["check", "--no-cache", "--select", "E501"], ours, *format_check):
        done = subprocess.run([*ruff, *command, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
