"""How much memory the arrays of one file may take; claims of headers are held against it before any is taken."""

from __future__ import annotations

import os

from ptycho_host.errors import DataError

DEFLATE_AT_BEST = 1032
"""How many bytes a byte of DEFLATE-compressed data can stand for."""
CODEC_AT_BEST = 2**16
"""The same for the codecs of hdf5plugin; Zstandard repeats 128 KiB in four bytes."""


def memory_budget() -> int:
    """Bytes that the arrays of a file may take in memory: half of what the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def check_budget(claimed: int, source: str, key: str) -> None:
    """Raise DataError when `claimed` bytes are more than the budget."""
    budget = memory_budget()
    if claimed > budget:
        raise DataError(
            f"{source}: {key} would take {claimed / 2**30:.1f} GiB of memory, more than the {budget / 2**30:.1f} GiB "
            "that a file may take here; convert it to a format that is read piece by piece, such as HDF5, elsewhere."
        )
