"""The documentation: the reference says what the code says, everything is in it, and every link leads somewhere."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from ptycho_host.components import KINDS
from ptycho_host.config import RunConfig
from ptycho_host.plugins import PLURALS, Host

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PROJECTS = {
    tomllib.loads(path.read_text(encoding="utf-8"))["project"]["name"]: path.parent
    for pattern in ("pyproject.toml", "plugins/*/pyproject.toml", "ptycho_contrib_*/pyproject.toml")
    for path in sorted(ROOT.glob(pattern))
}
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md", "plugins/*/*.md", "ptycho_contrib_*/*.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def generate(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DOCS / "generate"), *map(str, arguments)]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.slow
def test_the_reference_is_what_the_code_says_wherever_it_is_written() -> None:
    done = generate("--check", COLUMNS="40", PYTHONHASHSEED="7", PTYCHO_LOAD_PLUGINS="")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_stale_reference_is_noticed_page_by_page(tmp_path: Path) -> None:
    folder = tmp_path / "reference"
    shutil.copytree(REFERENCE, folder)
    altered, missing, left_over = folder / "cli.md", folder / "config.md", folder / "hooks" / "ptycho_gone.md"
    altered.write_text(altered.read_text(encoding="utf-8").replace("--seed", "--sead"), encoding="utf-8")
    missing.unlink()
    left_over.touch()
    done = generate("--check", folder)
    assert done.returncode == 1
    assert "run 'make docs'" in done.stderr
    assert [line.strip() for line in done.stderr.splitlines() if line.startswith("  ")] == [
        str(altered), str(missing), str(left_over)
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "command"])
def test_every_registered_component_is_in_the_reference(kind: str) -> None:
    page = REFERENCE / "components" / f"{PLURALS[kind].removeprefix('ptycho_')}.md"
    text = page.read_text(encoding="utf-8")
    for entry in Host.discover().registrations(kind):
        if entry.distribution in PROJECTS:
            assert f"\n## {entry.component.name}\n" in text
            assert f"`{entry.component.target}`" in text
            assert entry.component.summary.split("*")[0] in text


def test_every_command_is_in_the_reference() -> None:
    text = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    for entry in Host.discover().registrations("command"):
        if entry.distribution in PROJECTS:
            assert f"\n## ptycho {entry.component.name}\n" in text


def test_every_section_of_the_configuration_is_in_the_reference() -> None:
    text = (REFERENCE / "config.md").read_text(encoding="utf-8")
    for name in RunConfig.model_fields:
        assert f"`{name}`" in text or f"`[{name}]`" in text or f"\n## {name}\n" in text, name


def test_every_environment_variable_that_the_code_names_is_in_the_reference() -> None:
    text = (REFERENCE / "environment.md").read_text(encoding="utf-8")
    named = {
        node.value
        for name, folder in PROJECTS.items()
        for path in (folder / name.replace("-", "_")).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and re.fullmatch(r"PTYCHO_[A-Z_]+", str(node.value))
    }
    assert named >= {"PTYCHO_LOAD_PLUGINS", "PTYCHO_REGISTRY", "PTYCHO_TRACE"}
    assert set(re.findall(r"^## `(\w+)`$", text, re.MULTILINE)) == named


def test_the_index_leads_to_every_page() -> None:
    for index in (DOCS / "README.md", REFERENCE / "README.md"):
        beside = {path for path in index.parent.rglob("*.md") if path != index}
        if index.parent == DOCS:
            beside = {path for path in beside if REFERENCE not in path.parents} | {REFERENCE / "README.md"}
        assert beside <= set(targets(index)), index


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / unquote(path)).resolve() if path else page
        assert target.exists(), f"{link} in {page}"
        assert target.is_relative_to(ROOT), f"{link} in {page}"
        if anchor:
            assert anchor in anchors(target), f"{link} in {page}"


def links(page: Path) -> list[str]:
    """Links to files of this repository; code is left out."""
    found = LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return [link for link in found if not link.startswith(("http:", "https:", "mailto:"))]


def targets(page: Path) -> Iterator[Path]:
    return ((page.parent / link.partition("#")[0]).resolve() for link in links(page))


def anchors(page: Path) -> set[str]:
    """What a code host makes of the headings; of equal ones only the first is known here."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
