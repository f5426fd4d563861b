"""The peak of a process's memory is that of its own pages; only what was reached since a run began is the run's."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from ptycho_host.metrics.memory import PeakMemory, peak_memory_mib


def test_an_array_raises_the_peak_by_its_size_and_stays_counted() -> None:
    before = peak_memory_mib()
    assert before is not None
    held = np.ones(int(before) * 2**17)  # as many MiB again: more than the process may have given back before
    after = peak_memory_mib()
    assert after is not None
    # Pages that were free before, and those of libraries: a fifth.
    assert after >= 0.8 * held.nbytes / 2**20
    del held
    later = peak_memory_mib()
    assert later is not None
    assert later > after - 2, "counted in batches of pages by each core"


def test_what_was_reached_before_the_run_is_not_the_runs() -> None:
    later = PeakMemory.from_now()
    assert later.before is not None
    assert PeakMemory(later.before + 2**30).reached() is None
    assert PeakMemory(None).reached() is None
    assert PeakMemory(1.0).reached() == peak_memory_mib()


def test_it_does_not_begin_with_the_parents_memory() -> None:
    large = np.ones(40 * 2**17)  # 40 MiB that the child never touches
    code = "from ptycho_host.metrics.memory import peak_memory_mib; print(peak_memory_mib())"
    child = float(subprocess.check_output([sys.executable, "-c", code], timeout=60))
    mine = peak_memory_mib()
    assert mine is not None
    assert large.nbytes / 2**20 == 40
    assert 3 < child < mine - 20
