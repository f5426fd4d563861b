"""The processes that work on one run together, on one machine or on several.

An engine that shares its work brings them (`ptycho_host.contracts.SharedEngine`): the host starts none and reads no
environment. All run the same program; the first one alone writes files and speaks to the user.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ptycho_host.contracts import SharedEngine
from ptycho_host.errors import InputError, PtychoError, RunFailedError

Total: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]
"""Adds up arrays of one shape and type over all processes; each gets the same sum."""

INTERRUPTED = -1
"""Stands for an exit code where a process was interrupted."""


def _itself(array: NDArray[Any]) -> NDArray[Any]:
    return array


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of a run, seen from the one that is number `rank` of `world`; without arguments, one alone.

    All of them make the same calls in the same order: each but `stretch` waits for the others.
    """

    rank: int = 0
    world: int = 1
    total: Total = _itself

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and speaks to the user."""
        return self.rank == 0

    def mean(self, value: float) -> float:
        """The mean over all processes."""
        return float(self.total(np.array([value], dtype=np.float64))[0]) / self.world

    def agreed(self, value: float) -> float:
        """What the first process says."""
        return float(self.total(np.array([float(value) if self.first else 0.0]))[0])

    def any(self, flag: bool) -> bool:
        """Whether one of them says so."""
        return bool(self.total(np.array([float(flag)]))[0])

    def barrier(self) -> None:
        """Wait until all have come here."""
        self.any(False)

    def text(self, said: str, rank: int = 0) -> str:
        """What the process number `rank` said."""
        encoded = np.frombuffer(said.encode() if self.rank == rank else b"", dtype=np.uint8).astype(np.int64)
        received = np.zeros(int(self.total(np.array([encoded.size]))[0]), dtype=np.int64)
        received[: encoded.size] = encoded
        return self.total(received).astype(np.uint8).tobytes().decode()

    def stretch(self, count: int) -> slice:
        """Which of `count` things in a row are this one's: an even share, in the order of the ranks."""
        return slice(self.rank * count // self.world, (self.rank + 1) * count // self.world)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What fails in one process inside the block fails in all, and the first one says why.

        The block itself must not make processes wait for each other. Errors of processes but the first are `told`.
        """
        found: PtychoError | KeyboardInterrupt | None = None
        try:
            yield
        except (PtychoError, KeyboardInterrupt) as error:
            if self.world == 1:
                raise
            found = error
        if self.world == 1:
            return
        codes = np.zeros(self.world, dtype=np.int64)
        codes[self.rank] = _code(found)
        codes = self.total(codes)
        if not codes.any():
            return
        who = int(np.flatnonzero(codes)[0])
        reason = self.text(str(found), who)
        if self.first and found is not None:
            raise found
        if self.first and codes[who] == INTERRUPTED:
            raise KeyboardInterrupt
        kind = InputError if codes[who] == InputError.exit_code else RunFailedError
        failure = kind(f"process {who}: {reason or 'interrupted'}")
        failure.told = not self.first
        raise failure from found


def processes_of(engine: object) -> Processes:
    """The processes that share the work of an engine; started or joined, if need be, when first asked for."""
    return engine.processes() if isinstance(engine, SharedEngine) else Processes()


def _code(error: PtychoError | KeyboardInterrupt | None) -> int:
    if error is None:
        return 0
    return error.exit_code if isinstance(error, PtychoError) else INTERRUPTED
