"""Patterns that are kept once they were read, and read before they are needed."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycho_host.data.formats.hdf5 import Hdf5Writer
from ptycho_host.data.formats.npz import NpzWriter
from ptycho_host.data.scan import Scan
from ptycho_host.data.streaming import AHEAD, CachedPatterns, read_ahead, with_cache

COUNT, PIXELS = 20, 8
PATTERN = 4 * PIXELS**2
"""Bytes of a pattern."""


@dataclass
class Disk:
    """A source that notes what is read."""

    array: np.ndarray = field(
        default_factory=lambda: np.random.default_rng(0).random((COUNT, PIXELS, PIXELS), dtype=np.float32)
    )
    read: list[int] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def __getitem__(self, index: Any, /) -> np.ndarray:
        self.read += np.arange(COUNT)[index].ravel().tolist()
        return self.array[index]


indices = st.one_of(
    st.lists(st.integers(-COUNT, COUNT - 1), max_size=30).map(lambda chosen: np.array(chosen, dtype=np.int64)),
    st.slices(COUNT),
)


@given(st.integers(0, 25), st.lists(indices, min_size=1, max_size=8))
def test_a_cache_of_any_size_changes_no_value(room: int, asked: list[Any]) -> None:
    disk = Disk()
    cached = CachedPatterns(disk, room * PATTERN)
    assert cached.shape == disk.shape
    for index in asked:
        found = cached[index]
        np.testing.assert_array_equal(found, disk.array[index])
        found[:] = -1  # the caller's own


def test_what_fits_is_read_once() -> None:
    disk = Disk()
    cached = CachedPatterns(disk, COUNT * PATTERN)
    for _ in range(3):
        cached[np.array([3, 3, 7])]
        cached[5:9]
        cached[:]
    assert sorted(set(disk.read)) == list(range(COUNT))
    # Only that repeat within one batch was asked of the source.
    assert len(disk.read) == COUNT + 1


def test_what_does_not_fit_is_read_again() -> None:
    disk = Disk()
    cached = CachedPatterns(disk, 15 * PATTERN)
    cached[:]
    disk.read.clear()
    cached[:]
    assert disk.read == [15, 16, 17, 18, 19]


def test_nothing_is_kept_without_a_budget() -> None:
    disk = Disk()
    cached = CachedPatterns(disk, PATTERN - 1)
    cached[:]
    cached[:]
    assert len(disk.read) == 2 * COUNT


def test_a_place_outside_is_an_error() -> None:
    with pytest.raises(IndexError):
        CachedPatterns(Disk(), 3 * PATTERN)[np.array([COUNT])]


def test_threads_may_share_a_cache() -> None:
    disk = Disk()
    cached = CachedPatterns(disk, 12 * PATTERN)

    def read(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        chosen = [rng.integers(0, COUNT, 5) for _ in range(100)]
        return all(np.array_equal(cached[each], disk.array[each]) for each in chosen)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(16)))


def test_only_patterns_on_disk_are_cached() -> None:
    array, probe = Disk().array, np.ones((PIXELS, PIXELS), dtype=np.complex64)
    positions = np.full((COUNT, 2), 4.0)
    held = Scan(array, positions, probe).subset(np.arange(5))
    assert with_cache(held, 10**6) is held
    stored = with_cache(Scan(Disk(), positions, probe).subset(np.arange(5)), 10**6)
    assert isinstance(stored.amplitudes, CachedPatterns)
    assert with_cache(stored, 10**6) is stored
    np.testing.assert_array_equal(stored.batch(slice(None)), array[:5])


def test_results_come_in_order() -> None:
    assert list(read_ahead(lambda item: item**2, range(50))) == [item**2 for item in range(50)]
    assert list(read_ahead(lambda item: item, [])) == []


def test_reading_runs_ahead_but_not_away() -> None:
    started: list[int] = []
    enough = threading.Event()

    def read(item: int) -> int:
        started.append(item)
        if len(started) == 2 + AHEAD:
            enough.set()
        return item

    stream = read_ahead(read, range(100))
    assert next(stream) == 0
    # While the first result is being used, those after it are read.
    assert enough.wait(10)
    time.sleep(0.05)
    assert len(started) == 2 + AHEAD
    stream.close()  # type: ignore[attr-defined]
    assert len(started) == 2 + AHEAD


def test_an_error_comes_where_its_result_would_have() -> None:
    def read(item: int) -> int:
        if item == 3:
            raise OSError("the disk is gone")
        return item

    stream: Iterator[int] = read_ahead(read, range(10))
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream)


def test_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    for stop in (1, 10):
        stream = read_ahead(lambda item: item, range(10))
        for _ in range(stop):
            next(stream)
        stream.close()  # type: ignore[attr-defined]
    assert set(threading.enumerate()) <= before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scan.npz", "scan.h5"])
def test_reading_all_of_a_file_keeps_none_of_it(tmp_path: Path, name: str) -> None:
    """192 MiB of patterns, of which a batch and a block are due; counted in a process of its own."""
    patterns = np.ones((3072, 128, 128), dtype=np.float32)
    positions = np.full((3072, 2), 64.0)
    scan = Scan(patterns, positions, np.ones((128, 128), dtype=np.complex64))
    if name.endswith("npz"):
        NpzWriter(compressed=False).write(scan, tmp_path / name)
    else:
        Hdf5Writer(codec="none").write(scan, tmp_path / name)
    program = f"""
import resource
import numpy as np
from ptycho_host.data.formats.hdf5 import Hdf5Reader
from ptycho_host.data.formats.npz import NpzReader
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from pathlib import Path
path = Path({str(tmp_path / name)!r})
scan = (NpzReader if path.suffix == ".npz" else Hdf5Reader)().read(path)
for batch in np.split(np.random.default_rng(0).permutation(scan.count), 192):
    scan.batch(batch)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    # A block of 32 MiB and what checking it takes (measured: 90); all of the file would be 192 more.
    assert float(done.stdout) < 130
