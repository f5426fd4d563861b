"""How a training is doing: progress, and signs that it has gone wrong."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.contracts import Progress, Tensor

PROBED = 16
"""Patterns, spread over the scan, that are looked at after every epoch."""
COLLAPSED = 0.01
"""Predicted variance between patterns, over the measured one, below which predictions count as all the same."""
COUNTING_VARIANCE = 0.4
"""Largest variance of the square root of a Poisson count (at a mean of about 1.3; 1/4 at high counts)."""


class TrainingSetback(Exception):  # noqa: N818 - not an error yet: training may go back and try again
    """Training cannot go on from here; the message says why."""


def spread_over(training: NDArray[np.int64]) -> NDArray[np.int64]:
    """Up to `PROBED` of the indices, evenly spread."""
    spread: NDArray[np.int64] = training[np.unique(np.linspace(0, len(training) - 1, num=PROBED).round().astype(int))]
    return spread


def has_collapsed(
    predicted: NDArray[np.floating[Any]], measured: NDArray[np.floating[Any]], intensity_scale: float
) -> bool:
    """Whether predicted amplitudes (B, …) hardly vary from pattern to pattern although the measured ones (B, …) do.

    Both variances are sums over the detector; comparing amplitudes makes the patches' free phases irrelevant.
    `intensity_scale` is the square root of counts a unit of amplitude: what counting noise alone explains of the
    measured variance is no sign of an object, so a uniform object never raises the alarm.
    """
    if len(predicted) < 2:
        return False
    varied = float(predicted.var(axis=0, ddof=1).sum())
    mean_counts = np.square(measured * intensity_scale).mean(axis=0)
    noise = float(np.minimum(mean_counts, COUNTING_VARIANCE).sum()) / intensity_scale**2
    signal = float(measured.var(axis=0, ddof=1).sum()) - noise
    return bool(signal > noise and not varied > COLLAPSED * signal)


class ProgressMeter:
    """Passes on progress a few times a second: reading a loss back from a device waits for the device."""

    INTERVAL = 0.25

    def __init__(self, progress: Progress, *, enabled: bool) -> None:
        """Only one of several processes should be `enabled`."""
        self._progress = progress if enabled else None
        self._owed = 0.0
        self._told = time.monotonic()

    def start(self, total: int, unit: str, done: int) -> None:
        """`total` units of training are ahead, of which `done` have been before."""
        if self._progress is not None:
            self._progress.start("training", total, unit)
            self._progress.advance(done)

    def advance(self, units: float, loss: Tensor, epoch: int) -> None:
        """A step that counts `units` is done."""
        self._owed += units
        if self._progress is not None and time.monotonic() - self._told > self.INTERVAL:
            self._flush(loss=float(loss), epoch=epoch)

    def note(self, message: str) -> None:
        """Tell the user."""
        if self._progress is not None:
            self._progress.note(message)

    def finish(self, units: float) -> None:
        """Training is over, with the last `units`."""
        self._owed += units
        if self._progress is not None:
            self._flush()
            self._progress.finish()

    def _flush(self, **status: float | int | str) -> None:
        assert self._progress is not None
        units = round(self._owed)
        self._owed -= units
        self._told = time.monotonic()
        self._progress.advance(units, **status)
