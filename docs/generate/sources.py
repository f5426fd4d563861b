"""Definitions as they stand in a source file: the reference shows the code itself where it says most."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Definition:
    """A class, function or constant of a module: its text, its docstring, and the names that its annotations use."""

    name: str
    source: str
    docstring: str
    mentioned: frozenset[str]
    value: object = None


@cache
def definitions(path: Path) -> dict[str, Definition]:
    """The public definitions of a module in their order; a constant is one if a docstring follows it."""
    text = path.read_text(encoding="utf-8")
    body = ast.parse(text).body
    found: dict[str, Definition] = {}
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            entry = _definition(node.name, text, first, node, ast.get_docstring(node) or "")
        else:
            name, docstring = _constant_name(node), _docstring(following)
            if not name or following is None or not docstring:
                continue
            entry = _definition(name, text, node.lineno, following, docstring, node)
        if not entry.name.startswith("_"):
            found[entry.name] = entry
    return found


def _definition(
    name: str, text: str, first: int, last: ast.stmt, docstring: str, constant: ast.stmt | None = None
) -> Definition:
    lines = text.splitlines()[first - 1 : last.end_lineno]
    tree = constant or last
    mentioned = frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    value = getattr(getattr(tree, "value", None), "value", None)
    return Definition(name, "\n".join(lines), docstring, mentioned, value)


def _constant_name(node: ast.stmt) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    return target.id if isinstance(target, ast.Name) else ""


def _docstring(node: ast.stmt | None) -> str:
    value = node.value if isinstance(node, ast.Expr) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""
