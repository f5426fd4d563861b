"""The example of a third party's distribution: outside our install set, small, and a full citizen once installed."""

from __future__ import annotations

import ast
import io
import json
import shutil
import subprocess
import sys
import tokenize
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "ptycho-example"
COMPONENT = EXAMPLE / "ptycho_example" / "compact_unet.py"
NOT_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def lines_of_code(source: str) -> int:
    """Lines that hold a token which is neither a comment nor part of a docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, documented) and ast.get_docstring(node) is not None
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = {line for token in tokens if token.type not in NOT_CODE for line in range(token.start[0], token.end[0] + 1)}
    return len(code - docstrings)


def test_lines_are_counted_as_promised() -> None:
    assert (
        lines_of_code(
            '"""Doc\n\nstring."""\n\n# comment\nx = (\n    1,\n)\n\n\ndef f():\n    """Doc."""\n    return 1\n'
        )
        == 5
    )


def test_the_component_has_at_most_thirty_lines_of_code() -> None:
    assert lines_of_code(COMPONENT.read_text(encoding="utf-8")) <= 30


def test_it_is_not_among_what_we_install() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "examples" not in makefile
    assert subprocess.run([sys.executable, "-c", "import ptycho_example"], capture_output=True, check=False).returncode


@pytest.mark.slow
def test_it_is_a_full_citizen_in_a_fresh_environment(fresh_environment: Callable[..., Any], tmp_path: Path) -> None:
    environment = fresh_environment("ptycho-host[torch]", "new-torch", "ptycho-host[testing]")
    build = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(EXAMPLE)]
    subprocess.run([sys.executable, *build], check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    environment.install(wheel)

    # What the tests import is what the wheel brought.
    shutil.copytree(EXAMPLE / "tests", tmp_path / "suite" / "tests")
    shutil.copy(EXAMPLE / "pyproject.toml", tmp_path / "suite")
    tests = environment.run("pytest", "-q", "-W", "error", cwd=tmp_path / "suite")
    assert tests.returncode == 0, tests.stdout + tests.stderr

    shown = environment.run("ptycho", "plugins", "show", "generator", "compact_unet", cwd=tmp_path)
    assert "How many times the features are halved in size." in shown.stdout
    refused = environment.run(
        "ptycho", "train", "--generator", "compact_unet", "--set", "generator.depth=3", cwd=tmp_path
    )
    assert refused.returncode == 2
    assert "generator 'compact_unet' has no option 'depth'" in refused.stderr

    small = "--simulate lines --set simulator.size=96 --set simulator.pixels=32 --set engine.threads=1"
    chosen = "--generator compact_unet --set generator.width=8 --set train.epochs=6 --clip agc --out run"
    done = environment.run("ptycho", "train", *small.split(), *chosen.split(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    history = (tmp_path / "run" / "history.jsonl").read_text(encoding="utf-8").splitlines()
    # On patterns that it was not trained on; six epochs of eight steps are little, but they must help.
    first, *_, last = (json.loads(line)["validation_loss"] for line in history)
    assert last < first
