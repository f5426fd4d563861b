"""The run directory: where everything about a run stands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ptycho_host.atomic import write_text
from ptycho_host.errors import InputError, RunFailedError


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The places in a run directory."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration, TOML."""
        return self.path / "config.toml"

    @property
    def environment(self) -> Path:
        """Versions, machine, commit, seed, JSON."""
        return self.path / "environment.json"

    @property
    def history(self) -> Path:
        """One JSON line an epoch."""
        return self.path / "history.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Folder of training states."""
        return self.path / "checkpoints"

    @property
    def bundle(self) -> Path:
        """Folder of the trained generator."""
        return self.path / "bundle"

    @property
    def reconstruction(self) -> Path:
        """The object, Ptychodus product layout."""
        return self.path / "reconstruction.h5"

    @property
    def metrics(self) -> Path:
        """Figures of merit, JSON."""
        return self.path / "metrics.json"

    @property
    def figures(self) -> Path:
        """Folder of PNG figures."""
        return self.path / "figures"

    @property
    def report(self) -> Path:
        """The self-contained page."""
        return self.path / "report.html"

    @property
    def lock(self) -> Path:
        """Held by the process that is at work here."""
        return self.path / ".lock"

    @classmethod
    def create(cls, path: Path | None, name: str) -> RunDirectory:
        """A new, empty run directory at `path`, or at a fresh `runs/<time>-<name>`.

        Raises InputError when `path` is in use, RunFailedError when it cannot be made.
        """
        chosen = path if path is not None else _fresh(Path("runs"), name)
        try:
            if chosen.exists() and (not chosen.is_dir() or any(chosen.iterdir())):
                raise InputError(
                    f"{path} exists and is not an empty folder; choose another --out, or go on with the run there by "
                    f"--resume {path}."
                )
            (chosen / "checkpoints").mkdir(parents=True)
        except OSError as error:
            raise RunFailedError(f"cannot make {chosen}: {error.strerror}; choose another --out.") from error
        return cls(chosen)

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """An existing run directory; raises InputError when there is none."""
        run = cls(path)
        if not run.config.is_file():
            raise InputError(f"{path} is not a run directory (it has no config.toml); give the path `train` printed.")
        return run

    def refuse_links(self) -> None:
        """Raise InputError when a part of the run is a link: writing would change a file somewhere else."""
        for part in sorted(self.path.iterdir()):
            if part.is_symlink():
                raise InputError(f"{part} is a link; a run writes into its own directory only, put the real one there.")

    def read_environment(self) -> dict[str, Any]:
        """What `environment.json` holds; raises InputError when it is missing or damaged."""
        try:
            content = json.loads(self.environment.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.environment} cannot be read ({error}); the run cannot be used, train anew."
            ) from error
        return content if isinstance(content, dict) else {}

    def write_json(self, path: Path, content: Any) -> None:
        """Write `content` as indented JSON, atomically; NaN is refused."""
        write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def _fresh(parent: Path, name: str) -> Path:
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    number, path = 1, parent / f"{stamp}-{name}"
    while path.exists():
        number += 1
        path = parent / f"{stamp}-{name}-{number}"
    return path
