"""Progress is a bar on a terminal, a handful of plain lines elsewhere, and silent in a library."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from ptycho_host.report.progress import (
    LineProgress,
    RichProgress,
    SilentProgress,
    duration,
    progress_for,
    rate_text,
    status_text,
)


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)


def written(target: Console) -> str:
    text = target.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_lines_come_at_the_start_at_most_every_interval_and_at_the_end() -> None:
    lines: list[str] = []
    clock = Clock()
    progress = LineProgress(lines.append, clock=clock)
    progress.start("training", 1000, "patterns")
    for _ in range(100):
        clock.now += 0.25
        progress.advance(10, loss=0.123456, epoch=1)
    progress.finish()
    assert lines == [
        "training: 1,000 patterns",
        "training: 400 of 1,000 patterns, 40 patterns/s, loss 0.1235, epoch 1, 0:15 left",
        "training: 800 of 1,000 patterns, 40 patterns/s, loss 0.1235, epoch 1, 5.0 s left",
        "training: done in 0:25, 40 patterns/s, loss 0.1235, epoch 1",
    ]


def test_a_new_stretch_ends_the_one_before_and_says_so() -> None:
    lines: list[str] = []
    clock = Clock()
    progress = LineProgress(lines.append, clock=clock)
    progress.start("training", 10, "epochs")
    clock.now += 2
    progress.advance(4)
    progress.start("reconstructing", 5, "patterns")
    progress.note("half way [bold]")
    progress.finish()
    progress.finish()
    assert lines == [
        "training: 10 epochs",
        "training: ended after 4 of 10 epochs in 2.0 s, 2 epochs/s",
        "reconstructing: 5 patterns",
        "half way [bold]",
        "reconstructing: ended after 0 of 5 patterns in 0.0 s",
    ]


def test_console_decides() -> None:
    assert isinstance(progress_for(console(terminal=True)), RichProgress)
    plain = console(terminal=False)
    progress = progress_for(plain)
    assert isinstance(progress, LineProgress)
    progress.start("stitching", 3, "patches")
    progress.advance(3)
    progress.note("[red]no markup[/red] " + "x" * 200)
    progress.finish()
    first, note, last = written(plain).splitlines()
    assert first == "stitching: 3 patches"
    assert note == "[red]no markup[/red] " + "x" * 200
    assert last.startswith("stitching: done in 0.0 s")


def test_bar_shows_task_figures_and_notes_and_frees_the_terminal() -> None:
    terminal = console(terminal=True)
    progress = RichProgress(terminal)
    progress.start("training [1/2]", 20, "patterns")
    progress.advance(5, loss=0.25)
    progress.note("a note [red]")
    progress.start("refining", 4, "epochs")
    progress.advance(4)
    progress.finish()
    progress.finish()
    text = written(terminal)
    for expected in ("training [1/2]", "5/20", "loss 0.25", "a note [red]", "refining", "4/4"):
        assert expected in text
    # The cursor is visible again.
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


@pytest.mark.parametrize("progress", [RichProgress(console(True)), LineProgress(print), SilentProgress()])
def test_advancing_without_a_start_is_harmless(progress: RichProgress | LineProgress | SilentProgress) -> None:
    progress.advance(3, loss=1.0)
    progress.finish()


def test_silent_progress_logs_its_notes(caplog: pytest.LogCaptureFixture) -> None:
    progress = SilentProgress()
    with caplog.at_level(logging.INFO, logger="ptycho_host"):
        progress.start("training", 3, "patterns")
        progress.advance(3)
        progress.note("collapsed at epoch 3: 100%")
        progress.finish()
    assert caplog.messages == ["collapsed at epoch 3: 100%"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "0:10"),
        (59.6, "1:00"),
        (65, "1:05"),
        (3599.7, "1:00:00"),
        (7207, "2:00:07"),
    ],
)
def test_durations_round_before_they_split(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_rates_and_figures_are_short() -> None:
    assert rate_text(1234.5, "patterns") == "1,234 patterns/s"
    assert rate_text(0.0123, "epochs") == "0.012 epochs/s"
    assert rate_text(1.0, "s") == rate_text(3.0, "%") == ""
    assert (
        status_text({"loss": 1.23456e-7, "best_epoch": 3, "device": "cpu"})
        == "loss 1.235e-07, best epoch 3, device cpu"
    )
