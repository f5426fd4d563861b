"""The page of a study in Markdown: what was done, the table, the figures with their captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ptycho_host.atomic import write_text
from ptycho_studies.results import StudyResult
from ptycho_studies.tables import markdown_table


def write_report(result: StudyResult, title: str, about: Sequence[str], captions: Mapping[str, str]) -> Path:
    """Write `report.md` into the study's folder; `captions` say by file name what a figure there shows."""
    parts = [f"# {title}", *about]
    parts += [f"- {note}" for note in result.notes]
    parts += [f"- {label} failed: {why}" for label, why in result.failures.items()]
    parts.append(markdown_table(result.rows).rstrip())
    parts += [f"![{caption}]({name})\n\n*{caption}*" for name, caption in captions.items()]
    path = result.folder / "report.md"
    write_text(path, "\n\n".join(parts) + "\n")
    return path
