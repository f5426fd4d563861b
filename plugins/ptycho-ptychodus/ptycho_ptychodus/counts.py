"""Photon counts as Ptychodus keeps them: whole numbers where they are, double precision where they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.conventions import Convention
from ptycho_host.data.patterns import blocks
from ptycho_host.data.scan import Scan


def counts_dtype(scan: Scan) -> type[np.uint32] | type[np.float64]:
    """uint32 if amplitudes are square roots of whole numbers to the last bit, else float64; reads all patterns once."""
    for part in blocks(scan.count, scan.pixels):
        amplitudes = np.asarray(scan.amplitudes[part], dtype=np.float32)
        whole = np.rint(np.square(amplitudes, dtype=np.float64))
        if whole.max(initial=0) >= 2**32 or not np.array_equal(np.sqrt(whole).astype(np.float32), amplitudes):
            return np.float64
    return np.uint32


def as_counts(amplitudes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Photon counts of which the same amplitudes come again."""
    counts: NDArray[Any] = Convention().intensities(amplitudes)
    whole = np.rint(counts)
    return whole if np.array_equal(np.sqrt(whole).astype(np.float32), amplitudes) else counts
