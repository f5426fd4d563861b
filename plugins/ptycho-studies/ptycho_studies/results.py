"""Where a study writes, and what it hands back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ptycho_host.atomic import write_text
from ptycho_host.config import changes
from ptycho_host.errors import InputError
from ptycho_studies.tables import Row


@dataclass(frozen=True, slots=True)
class StudyResult:
    """A finished study.

    folder: where everything stands. rows: its table. files: tables and figures, in the order of interest.
    failures: why by arm, such as `fno/seed0`, for those whose training could not go on. notes: what a reader must know.
    """

    folder: Path
    rows: tuple[Row, ...]
    files: tuple[Path, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def open_folder(folder: Path, study: str, fixed: Mapping[str, Any]) -> None:
    """Make the folder of a study, or go on with it; `fixed` are the settings that its data depend on (plain values).

    Raises InputError when the folder holds something else, or was begun with other settings.
    """
    begun = folder / "study.json"
    present = json.loads(json.dumps({"study": study, "fixed": dict(fixed)}))
    if not begun.exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder} exists and holds no study; choose another --out.")
        write_text(begun, json.dumps(present, indent=2) + "\n")
        return
    try:
        before = dict(json.loads(begun.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(f"{begun} cannot be read ({error}); choose another --out.") from error
    found = changes(before, present)
    if found:
        raise InputError(
            f"{folder} was begun with other settings ({'; '.join(found)}); restore them, or choose another --out."
        )
