"""Files that are either the old ones or the new ones, never half of each."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ptycho_host.errors import RunFailedError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path` that takes its place when the block ends well.

    The content reaches the disk before the rename. When the block raises, or the process dies, the old file
    stays. Raises RunFailedError with the system's reason when the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
    except OSError as error:
        raise RunFailedError(f"cannot write {path}: {error.strerror}; choose a folder you may write to.") from error
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; results are for the group like any other file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        raise RunFailedError(f"cannot write {path}: {error.strerror or error}; the old file is unchanged.") from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file by `content`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Replace the file by `content` in UTF-8."""
    write_bytes(path, content.encode())
