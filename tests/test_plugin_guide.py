"""The plugin guide's session, from an empty directory to the ranked table, in a fresh environment."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GUIDE = "docs/plugin-guide.md"
SMALLER = {
    "simulate lines scan.npz": "simulate lines scan.npz --set size=128 --set pixels=32",
    "--set train.time_limit=30": "--epochs 1 --set engine.threads=1",
}
"""What the test changes in the commands: not a minute of training, but a second."""
ALREADY_DONE = ("python -m venv .venv", ". .venv/bin/activate")


@pytest.mark.slow
def test_the_session_of_the_guide(
    blocks_of: Callable[[str], list[Any]], fresh_environment: Callable[..., Any], tmp_path: Path
) -> None:
    # Building from sources needs a backend; the users' pip fetches it by itself.
    environment = fresh_environment("ptycho-host[torch]", "guide", "hatchling", "editables")
    ran = []
    for block in blocks_of(GUIDE):
        if block.mark.startswith("edit: "):
            edit(tmp_path / block.mark.removeprefix("edit: "), block.content)
        elif block.language == "console":
            for command in block.commands():
                printed = run(environment, command.line, tmp_path)
                assert command.missing_in(printed) == [], f"{command.line} printed\n{printed}"
                ran.append(command.line.split()[:2])
    assert [words for words in ran if words[0] == "ptycho"] == [
        ["ptycho", name] for name in ("new", "plugins", "plugins", "simulate", "train", "train", "compare")
    ]
    assert (tmp_path / "comparison" / "comparison.html").is_file()


def run(environment: Any, line: str, folder: Path) -> str:
    """Standard output of a command of the guide."""
    if line in ALREADY_DONE:
        return ""
    for shown, smaller in SMALLER.items():
        line = line.replace(shown, smaller)
    program, *arguments = shlex.split(line)
    if program == "pip":
        assert arguments.pop(0) == "install"
        environment.install("--no-build-isolation", *(argument.replace("./", f"{folder}/") for argument in arguments))
        return ""
    done = environment.run(program, *arguments, cwd=folder)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


def edit(path: Path, change: str) -> None:
    """Change the file as the lines that begin with '-' and '+' say."""
    marked = [(line[:1], line[1:]) for line in change.splitlines(keepends=True)]
    old, new = ("".join(text for mark, text in marked if mark in kept) for kept in ("- ", "+ "))
    before = path.read_text(encoding="utf-8")
    assert before.count(old) == 1, f"{path} has no single place for the change of the guide"
    path.write_text(before.replace(old, new), encoding="utf-8")
