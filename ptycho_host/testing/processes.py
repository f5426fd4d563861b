"""Processes that work together, with threads in their place that add up in the same way."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ptycho_host.processes import Processes

Result = TypeVar("Result")

PATIENCE = 30.0
"""Seconds that one waits for the others."""


def everywhere(world: int, work: Callable[[Processes], Result]) -> list[Result]:
    """What `work` returns in each of `world` processes, in the order of their ranks.

    Raises what it raises; BrokenBarrierError where they do not wait for each other equally often, and AssertionError
    where they add up arrays of different shapes or types.
    """
    barrier, given = Barrier(world, timeout=PATIENCE), [np.zeros(0)] * world

    def seen_from(rank: int) -> Processes:
        def total(array: NDArray[Any]) -> NDArray[Any]:
            given[rank] = array
            barrier.wait()
            kinds = {(entry.shape, entry.dtype) for entry in given}
            assert len(kinds) == 1, f"processes add up different arrays: {kinds}"
            summed: NDArray[Any] = np.sum(given, axis=0, dtype=array.dtype)
            barrier.wait()
            return summed

        return Processes(rank, world, total)

    with ThreadPoolExecutor(world) as pool:
        return list(pool.map(work, map(seen_from, range(world))))
