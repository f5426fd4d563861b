"""A trained run as the one file that Ptychodus wants: a ZIP archive, not compressed, of what `reconstruct` needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from ptycho_host.atomic import replacing
from ptycho_host.errors import BundleError
from ptycho_host.runs.bundle import INDEX, WEIGHTS
from ptycho_host.runs.directory import RunDirectory

SUFFIX = ".ptycho"


def write_model(run: RunDirectory, path: Path) -> None:
    """Write the model file atomically."""
    with replacing(path) as temporary, ZipFile(temporary, "w", ZIP_STORED) as archive:
        for member in _members(run):
            archive.write(member, member.relative_to(run.path))


@contextmanager
def opened_model(path: Path) -> Iterator[Path]:
    """The run directory in a model file, or around a `bundle.toml`; raises BundleError for anything else.

    The first is unpacked into a temporary folder that is gone afterwards. Only the files that belong to a model are
    taken, and none that would grow.
    """
    if path.name == INDEX:
        yield path.parent.parent
        return
    with TemporaryDirectory(prefix="ptycho-model-") as folder:
        run = RunDirectory(Path(folder))
        try:
            with ZipFile(path) as archive:
                for member in _members(run):
                    name = member.relative_to(run.path).as_posix()
                    if archive.getinfo(name).compress_type != ZIP_STORED:
                        raise BadZipFile(f"{name} is compressed")
                    archive.extract(name, folder)
        except (OSError, BadZipFile, KeyError) as error:
            reason = " ".join(str(error).split()).strip('"')
            raise BundleError(f"{path} is no model of ptycho-host ({reason}); train one.") from error
        yield run.path


def _members(run: RunDirectory) -> list[Path]:
    return [run.config, run.history, run.bundle / INDEX, run.bundle / WEIGHTS]
