"""One process at a time in a run directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from ptycho_host.errors import InputError, RunFailedError
from ptycho_host.runs.directory import RunDirectory


@contextmanager
def working_in(directory: RunDirectory) -> Iterator[None]:
    """Keep other processes out while the block runs; the system lets go of a process that was killed.

    Raises InputError when another one is at work there, RunFailedError when the directory cannot be written.
    """
    lock = FileLock(directory.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"another process is at work in {directory.path}; wait until it has finished, or stop it."
        ) from None
    except NotImplementedError:
        # Some network file systems know no locks: better unguarded than unusable.
        yield
        return
    except OSError as error:
        raise RunFailedError(f"cannot write {directory.lock}: {error.strerror or error}.") from error
    try:
        yield
    finally:
        lock.release()
