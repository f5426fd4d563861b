"""Signals that ask a training to stop, noted so that all of its processes can stop together."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Interruption:
    """Whether a signal `came`."""

    came: bool = False


@contextmanager
def interruption_noted(interruption: Interruption, *, enabled: bool) -> Iterator[None]:
    """Note SIGINT and SIGTERM inside the block instead of raising KeyboardInterrupt.

    A process that left in the middle of a step would leave the others waiting for it. Signals reach the main thread
    only: in another one nothing changes.
    """
    if not enabled or threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(*_: Any) -> None:
        interruption.came = True

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
