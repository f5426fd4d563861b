"""Markdown as code hosts render it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from inspect import cleandoc

MEANT = re.compile(r"(`[^`]*`|(?<![\w*])\*\w[^*]*\w\*(?![\w*]))")
"""What is written as Markdown on purpose: code, and a word or more *emphasised*."""
MARK = re.compile(r"(?<! )\*|\*(?! )|<(?=[a-zA-Z/!])")
"""What Markdown would take for a mark although it is a product, or a name between angle brackets."""


def page(*blocks: str) -> str:
    """The blocks that are not empty, with a blank line between them."""
    return "\n\n".join(block.strip("\n") for block in blocks if block.strip()) + "\n"


def prose(docstring: str) -> str:
    """A docstring as text: what Markdown would take for marks is escaped, code and indented lines are left alone."""
    lines = [line if line.startswith("    ") else _escaped(line) for line in cleandoc(docstring).splitlines()]
    return "\n".join(line.rstrip() for line in lines)


def code(text: str, language: str = "python") -> str:
    """A block of code."""
    return f"```{language}\n{text.strip(chr(10))}\n```"


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; nothing without rows. Columns that are empty in every row are left out."""
    rows = list(rows)
    shown = [column for column in range(len(heading)) if any(row[column] for row in rows)]
    lines = [[heading[column] for column in shown], ["---"] * len(shown)]
    lines += [[_cell(row[column]) for column in shown] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if rows else ""


def verbatim(text: str) -> str:
    """Code inside of prose, or nothing."""
    return f"`{text}`" if text else ""


def anchor(heading: str) -> str:
    """What a code host makes of a heading for links to it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _cell(text: str) -> str:
    return " ".join(_escaped(text).split()).replace("|", r"\|")


def _escaped(text: str) -> str:
    parts = MEANT.split(text)
    return "".join(part if MEANT.fullmatch(part) else MARK.sub(r"\\\g<0>", part) for part in parts)
