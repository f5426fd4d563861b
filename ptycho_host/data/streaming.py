"""Patterns on their way from disk: kept once they were read, and read before they are needed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.scan import PatternSource, Scan, SelectedPatterns

AHEAD = 2
"""Batches that are read while another one is computed."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class CachedPatterns:
    """A `PatternSource` that reads no pattern of another source twice, as far as they fit into a budget.

    What is read first is kept; what finds no room is read each time anew. Threads may share it.
    """

    def __init__(self, source: PatternSource, budget: int) -> None:
        """Keep up to `budget` bytes of the patterns of `source`."""
        count, rows, columns = source.shape
        self._source = source
        # The system gives memory page by page when patterns come, not now.
        self._kept = np.empty((min(count, budget // (4 * rows * columns)), rows, columns), dtype=np.float32)
        self._places = np.full(count, -1, dtype=np.int64)
        self._used = 0
        self._lock = threading.Lock()

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, N, N)."""
        return self._source.shape

    def __getitem__(self, index: Any, /) -> NDArray[np.float32]:
        """Amplitudes (B, N, N) float32 at `index`, a slice or integers (B,); raises what the source raises."""
        if len(self._kept) == 0:
            return np.asarray(self._source[index], dtype=np.float32)
        wanted = np.arange(len(self._places))[index].ravel()
        with self._lock:
            places = self._places[wanted]
        missing = places < 0
        if not missing.any():
            kept: NDArray[np.float32] = self._kept[places]
            return kept
        read = np.asarray(self._source[wanted[missing]], dtype=np.float32)
        self._keep(wanted[missing], read)
        if missing.all():
            return read
        patterns = np.empty((len(wanted), *self.shape[1:]), dtype=np.float32)
        patterns[missing] = read
        patterns[~missing] = self._kept[places[~missing]]
        return patterns

    def _keep(self, indices: NDArray[np.int64], patterns: NDArray[np.float32]) -> None:
        with self._lock:
            distinct, first = np.unique(indices, return_index=True)
            new = np.flatnonzero(self._places[distinct] < 0)[: len(self._kept) - self._used]
            places = self._used + np.arange(len(new))
            self._kept[places] = patterns[first[new]]
            self._places[distinct[new]] = places
            self._used += len(new)


def with_cache(scan: Scan, budget: int) -> Scan:
    """The scan with up to `budget` bytes of patterns kept once read; as it is when they are in memory already."""
    source: Any = scan.amplitudes
    while isinstance(source, SelectedPatterns):
        source = source.source
    if isinstance(source, np.ndarray | CachedPatterns):
        return scan
    return replace(scan, amplitudes=CachedPatterns(scan.amplitudes, budget))


def read_ahead(read: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result]:
    """`read` of each item in order, done in the background up to `AHEAD` items before it is asked for.

    What `read` raises comes out where its result would have come. Whoever stops early waits for one item at most.
    """
    waiting = iter(items)
    pool = ThreadPoolExecutor(1, thread_name_prefix="reading")
    try:
        ahead: deque[Future[Result]] = deque(pool.submit(read, item) for item in islice(waiting, 1 + AHEAD))
        while ahead:
            result = ahead.popleft().result()
            ahead.extend(pool.submit(read, item) for item in islice(waiting, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)
