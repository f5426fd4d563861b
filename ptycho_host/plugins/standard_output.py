"""Standard output is for results that a program may read; what plugins print on the way goes to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout


@contextmanager
def kept_clear() -> Iterator[None]:
    """What the block prints goes to standard error: by Python, by C code, and by the programs it starts.

    The whole process is concerned, so that another thread's output goes the same way meanwhile.
    """
    sys.stdout.flush()
    try:
        standard_output = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # a service may run without standard streams
        with redirect_stdout(sys.stderr):
            yield
        return
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _flush_c()
        os.dup2(standard_output, 1)
        os.close(standard_output)


def _flush_c() -> None:
    # C keeps what it prints until its own buffer is full. To import ctypes for this would cost every start more than
    # all plugins together, and what prints from C mostly comes with something that has imported it.
    ctypes = sys.modules.get("ctypes")
    if ctypes is not None and os.name == "posix":
        ctypes.CDLL(None).fflush(None)
