"""Writing a new distribution: whole, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ptycho_host.errors import InputError
from ptycho_host.plugins import Host
from ptycho_host.scaffold.blueprints import Blueprint, blueprint_for
from ptycho_host.scaffold.names import Names, check_free
from ptycho_host.scaffold.rendering import render


@dataclass(frozen=True, slots=True)
class NewDistribution:
    """What was written: its folder, its files, and the command line that shows the component at work."""

    folder: Path
    names: Names
    blueprint: Blueprint
    files: tuple[PurePosixPath, ...]
    use: str


def create(
    kind: str, name: str, folder: Path | None = None, *, backend: str | None = None, host: Host | None = None
) -> NewDistribution:
    """Write a distribution with one working component of that kind; `folder` defaults to its name, here.

    Raises InputError for a kind, back-end or name that cannot be, and for a folder that holds something already.
    """
    blueprint = blueprint_for(kind, backend)
    names = Names.of(name, kind=kind)
    check_free(names, blueprint, host or Host.discover())
    target = folder if folder is not None else Path(names.distribution)
    _check_empty(target)
    rendered = render(blueprint, names)
    _write_folder(target, rendered.files)
    return NewDistribution(target, names, blueprint, tuple(sorted(rendered.files)), rendered.use)


def _check_empty(target: Path) -> None:
    if target.is_dir():
        if any(target.iterdir()):
            raise InputError(f"{target} is not empty; choose another folder.")
    elif target.exists() or target.is_symlink():
        raise InputError(f"{target} exists and is no folder; choose another name.")


def _write_folder(target: Path, files: Mapping[PurePosixPath, str]) -> None:
    """Write the files beside `target` first: it appears complete, or stays as it was."""
    target = target.absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise InputError(f"cannot write in {target.parent}: {error.strerror}; choose another folder.") from error
    try:
        for path, text in files.items():
            file = temporary / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        # mkdtemp makes private folders; this one is like any other.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        if target.is_dir():
            target.rmdir()
        temporary.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror}; choose another folder.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
