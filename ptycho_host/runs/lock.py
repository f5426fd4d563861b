"""One process at a time in a run directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from filelock import FileLock, Timeout

from ptycho_host.errors import InputError, RunFailedError
from ptycho_host.processes import Processes
from ptycho_host.runs.directory import RunDirectory


@contextmanager
def working_in(directory: RunDirectory, processes: Processes) -> Iterator[None]:
    """Keep all but these processes out while the block runs; the system lets go of those that were killed.

    Raises InputError when others are at work there, RunFailedError when the directory cannot be written.
    """
    with ExitStack() as held:
        with processes.together():
            if processes.first:
                held.enter_context(_locked(directory))
        yield


@contextmanager
def _locked(directory: RunDirectory) -> Iterator[None]:
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
