"""`PTYCHO_TRACE=1`: which plugin's code is called, and how long it takes, one line a call on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

TRACE_VARIABLE = "PTYCHO_TRACE"
"""Environment variable: set and not 0, calls of plugins are traced and their failures shown with tracebacks."""


def tracing() -> bool:
    """Whether the user asked for it."""
    return os.environ.get(TRACE_VARIABLE, "0") not in ("", "0")


@contextmanager
def traced(event: str, **facts: str) -> Iterator[None]:
    """`trace load seconds=0.001234 outcome=ok plugin=mynet` when the block is over, if tracing.

    The outcome is `ok` or the class of the exception that leaves the block.
    """
    if not tracing():
        yield
        return
    outcome = "ok"
    start = perf_counter()
    try:
        yield
    except BaseException as error:
        outcome = type(error).__name__
        raise
    finally:
        told = {"seconds": f"{perf_counter() - start:.6f}", "outcome": outcome, **facts}
        sys.stderr.write(f"trace {event} {' '.join(f'{name}={value}' for name, value in told.items())}\n")
