"""Signals while several processes train together."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from ptycho_host.training.interruption import Interruption, interruption_noted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_what_came_before_is_put_back(number: signal.Signals) -> None:
    before, interruption = signal.getsignal(number), Interruption()
    with interruption_noted(interruption, enabled=True):
        assert not interruption.came
        os.kill(os.getpid(), number)
        assert interruption.came
    assert signal.getsignal(number) is before


def test_one_alone_is_interrupted_at_once() -> None:
    interruption = Interruption()
    # A program that was started in the background ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), interruption_noted(interruption, enabled=False):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not interruption.came


def test_in_another_thread_nothing_changes() -> None:
    handlers = []

    def inside() -> None:
        with interruption_noted(Interruption(), enabled=True):
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]
