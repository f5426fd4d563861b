"""How long work reports itself: a bar on a terminal, a few plain lines in a log file, or the logging module."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from ptycho_host import contracts

_log = logging.getLogger("ptycho_host")


def progress_for(console: Console) -> contracts.Progress:
    """A bar if the console is a terminal, plain lines otherwise."""
    return RichProgress(console) if console.is_terminal else LineProgress(lambda line: _print_plain(console, line))


class SilentProgress:
    """Shows nothing; notes go to the logger `ptycho_host`. For use as a library."""

    def start(self, task: str, total: int, unit: str) -> None:
        """Nothing to show."""

    def advance(self, units: int, **status: float | int | str) -> None:
        """Nothing to show."""

    def note(self, message: str) -> None:
        """Log the message at level INFO."""
        _log.info(message)

    def finish(self) -> None:
        """Nothing to show."""


class LineProgress:
    """One plain line when a stretch of work starts, one when it ends, and between them one every `interval` seconds.

    `write` takes a line without its end; `clock` gives seconds.
    """

    def __init__(
        self, write: Callable[[str], None], *, interval: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._interval = interval
        self._clock = clock
        self._task: str | None = None

    def start(self, task: str, total: int, unit: str) -> None:
        """Say what begins."""
        self.finish()
        self._task, self._total, self._unit = task, total, unit
        self._done = 0
        self._status: Mapping[str, float | int | str] = {}
        self._begun = self._last = self._clock()
        self._write(f"{task}: {total:,} {unit}")

    def advance(self, units: int, **status: float | int | str) -> None:
        """Count, and write a line if the last one is old enough."""
        if self._task is None:
            return
        self._done += units
        self._status = status or self._status
        now = self._clock()
        if now - self._last >= self._interval and self._done < self._total:
            self._last = now
            elapsed = now - self._begun
            left = f"{duration(elapsed / self._done * (self._total - self._done))} left" if self._done else ""
            progress = f"{self._done:,} of {self._total:,} {self._unit}"
            self._write(_joined(f"{self._task}: {progress}", self._rate(elapsed), status_text(self._status), left))

    def note(self, message: str) -> None:
        """Write the message."""
        self._write(message)

    def finish(self) -> None:
        """Say how long it took; nothing if no stretch of work is open."""
        if self._task is None:
            return
        elapsed = self._clock() - self._begun
        ended = "done" if self._done >= self._total else f"ended after {self._done:,} of {self._total:,} {self._unit}"
        facts = _joined(f"{ended} in {duration(elapsed)}", self._rate(elapsed), status_text(self._status))
        self._write(f"{self._task}: {facts}")
        self._task = None

    def _rate(self, elapsed: float) -> str:
        return rate_text(self._done / elapsed, self._unit) if elapsed > 0 and self._done else ""


class RichProgress:
    """A bar with rate, figures such as the loss, and time spent and left; it stays on screen when it is full."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def start(self, task: str, total: int, unit: str) -> None:
        """Show a new bar."""
        self.finish()
        self._bar = Progress(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:,}/{task.total:,}", style="progress.download"),
            _RateColumn(unit),
            TimeElapsedColumn(),
            _TimeLeftColumn(),
            TextColumn("{task.fields[status]}", style="cyan", markup=False),
            console=self._console,
        )
        self._task = self._bar.add_task(task, total=total, status="")
        self._bar.start()

    def advance(self, units: int, **status: float | int | str) -> None:
        """Move the bar; the figures stay until others come."""
        if self._bar is not None:
            if status:
                self._bar.update(self._task, status=status_text(status))
            self._bar.advance(self._task, units)

    def note(self, message: str) -> None:
        """Print the message above the bar."""
        self._console.print(Text(message))

    def finish(self) -> None:
        """Leave the bar as it is and free the terminal."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class _RateColumn(ProgressColumn):
    """Units a second over the last while."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """The rate, or nothing before the first units."""
        speed = task.finished_speed or task.speed
        return Text(rate_text(speed, self._unit) if speed else "", style="progress.data.speed")


class _TimeLeftColumn(ProgressColumn):
    """Time left, while there is any."""

    def render(self, task: Task) -> Text:
        """`0:42 left`, or nothing when it is not known or over."""
        remaining = task.time_remaining
        known = remaining is not None and not task.finished
        return Text(f"{duration(remaining or 0)} left" if known else "", style="progress.remaining")


def rate_text(rate: float, unit: str) -> str:
    """`312 patterns/s`, with a decimal where it matters; nothing for parts of a whole and for seconds."""
    if unit in ("%", "s"):
        return ""
    return f"{rate:,.0f} {unit}/s" if rate >= 10 else f"{rate:.2g} {unit}/s"


def status_text(status: Mapping[str, float | int | str]) -> str:
    """`loss 0.0123, epoch 3`: numbers to four significant digits, underscores as spaces."""
    return ", ".join(
        f"{name.replace('_', ' ')} {f'{value:.4g}' if isinstance(value, float) else value}"
        for name, value in status.items()
    )


def duration(seconds: float) -> str:
    """Minutes and seconds, `1:05`, with hours where needed, `2:00:07`; tenths below ten seconds, `3.2 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _print_plain(console: Console, line: str) -> None:
    console.print(Text(line), soft_wrap=True)
