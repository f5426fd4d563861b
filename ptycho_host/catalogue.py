"""The catalogue of known components: which distribution brings a name that is not installed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ptycho_host.components import KINDS
from ptycho_host.errors import ConfigError

OVERLAY_VARIABLE = "PTYCHO_REGISTRY"
"""Environment variable: the user's own catalogue, laid over ours; default `~/.config/ptycho/registry.toml`."""

ANY_BACKEND = "any"


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One known component and how to get it; `backend` is None where any engine will do."""

    kind: str
    name: str
    backend: str | None
    distribution: str
    install: str


class Catalogue:
    """Known components, installed or not."""

    def __init__(self, entries: tuple[CatalogueEntry, ...] = ()) -> None:
        self.entries = entries

    @classmethod
    def load(cls) -> Catalogue:
        """Our `registry.toml` with the user's overlay; raises ConfigError when either cannot be read."""
        overlay = _overlay_path()
        ours = _read(Path(__file__).with_name("registry.toml"))
        theirs = _read(overlay) if overlay.is_file() else ()
        return cls((*theirs, *ours))

    def names(self, kind: str) -> set[str]:
        """All known names of a kind."""
        return {entry.name for entry in self.entries if entry.kind == kind}

    def install_hint(self, kind: str, name: str) -> str:
        """` It comes with x: run 'pip install x'.` for a known name, else an empty string."""
        for entry in self.entries:
            if (entry.kind, entry.name) == (kind, name):
                return f" It comes with {entry.distribution}: run '{entry.install}'."
        return ""

    def engine_hint(self, backend: str | None, wanted: Iterable[tuple[str, str]] = ()) -> str:
        """How to install an engine of the back-end, or when it is None one for all the `wanted` (kind, name).

        Empty when none is known.
        """
        needed = [] if backend is not None else list(wanted)
        for entry in self.entries:
            fits = entry.kind == "engine" and backend in (None, entry.backend)
            if fits and all(self._may_work_on(entry.backend, *name) for name in needed):
                return f" Run '{entry.install}'."
        return ""

    def missing(self, kind: str | None = None) -> list[CatalogueEntry]:
        """Known components, of all kinds or one, whose distribution is not installed."""
        return [entry for entry in self.entries if kind in (None, entry.kind) and not _is_installed(entry.distribution)]

    def _may_work_on(self, backend: str | None, kind: str, name: str) -> bool:
        """Whether the component exists for the back-end; True for one that is not known here."""
        known = {entry.backend for entry in self.entries if (entry.kind, entry.name) == (kind, name)}
        return not known or None in known or backend in known


@cache
def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def _overlay_path() -> Path:
    if OVERLAY_VARIABLE in os.environ:
        return Path(os.environ[OVERLAY_VARIABLE])
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "ptycho" / "registry.toml"


def _read(path: Path) -> tuple[CatalogueEntry, ...]:
    """Entries of `[distribution]` tables: `install = "…"` and `kind.backend = [names]`."""
    # Most calls of `ptycho` need no hint: they shall not wait for a parser.
    import tomllib

    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
        return tuple(entry for distribution, table in tables.items() for entry in _entries(distribution, table))
    except (OSError, ValueError) as error:
        raise ConfigError(f"the catalogue {path} cannot be read ({error}); mend or remove it.") from error


def _entries(distribution: str, table: Any) -> Iterator[CatalogueEntry]:
    if not isinstance(table, Mapping):
        raise ValueError(f"'{distribution}' is no table of a distribution")
    install = table.get("install", f"pip install {distribution}")
    for kind, backends in table.items():
        if kind == "install":
            continue
        if kind not in KINDS or not isinstance(backends, Mapping):
            raise ValueError(f"'{distribution}.{kind}' is not of the form kind.backend = [names]")
        for backend, names in backends.items():
            if not isinstance(names, list):
                raise ValueError(f"'{distribution}.{kind}.{backend}' is not a list of names")
            known_backend = None if backend == ANY_BACKEND else backend
            for name in names:
                yield CatalogueEntry(kind, name, known_backend, distribution, install)
