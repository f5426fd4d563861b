"""Trainings one after another in one process leave nothing behind."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_contrib_tf.library import tf
from ptycho_host.data.scan import Scan
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.patches import extract_patches

STATM = Path("/proc/self/statm")


def resident() -> float:
    """MiB that the process holds when it has given back all it can."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(STATM.read_text().split()[1]) * 4096 / 2**20


def larger(scan: Scan, pixels: int) -> Scan:
    """A scan of 25 patterns of N x N pixels."""
    obj = np.tile(scan.truth, (5, 5))
    line = np.arange(pixels / 2, pixels, pixels / 10)[:5]
    positions = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    y, x = np.mgrid[:pixels, :pixels] - pixels / 2 + 0.5
    probe = ((np.hypot(y, x) < pixels / 4) * 100).astype(np.complex64)
    patches = extract_patches(obj, positions, pixels)
    return Scan(diffraction_amplitude(patches, probe).astype(np.float32), positions, probe, truth=obj)


def test_nothing_of_a_training_stays_alive(laboratory: Any) -> None:
    """Not one variable, function or copy of the patterns; only then can memory come back."""

    def alive() -> int:
        gc.collect()
        # isinstance would ask other libraries' lazy objects what they are.
        return sum(issubclass(type(found), tf.Variable | tf.Graph) for found in gc.get_objects())

    laboratory.patches(laboratory.train(epochs=1))
    before = alive()
    for _ in range(2):
        laboratory.patches(laboratory.train(epochs=1))
    assert alive() == before


@pytest.mark.slow
@pytest.mark.skipif(not STATM.exists(), reason="needs Linux")
def test_memory_comes_back(laboratory: Any, scan: Scan) -> None:
    """N = 64 and 128, one pattern and four at once, with XLA and without: within 10 % of before, each time."""
    scans = {pixels: larger(scan, pixels) for pixels in (64, 128)}

    def train(pixels: int, channels: int, xla: bool) -> None:
        bench = laboratory.on(xla=xla)
        options = {"channels": channels, "make": lambda: bench.network(channels=channels)}
        bench.patches(bench.train(scan=scans[pixels], epochs=1, **options), scans[pixels])

    train(64, 1, True)
    for xla in (False, True):
        for pixels in scans:
            for channels in (1, 4):
                before = resident()
                train(pixels, channels, xla)
                after = resident()
                assert after < 1.1 * before, (pixels, channels, xla)
