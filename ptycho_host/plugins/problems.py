"""What is wrong with a plugin: whose it is, what happened, what to do."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from textwrap import shorten

LONGEST = 400
"""Characters of an exception's message in a sentence; the details have all of it."""


class PluginWarning(UserWarning):
    """A plugin, or one of its hooks, failed or misbehaved."""


class RefusalError(Exception):
    """The host finds fault with a plugin; its own sentence and, where it knows better, its own advice."""

    def __init__(self, message: str, advice: str | None = None) -> None:
        super().__init__(message)
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Problem:
    """`message` says whose fault it is and what happened, `advice` what to do; together they are one sentence.

    `details`: the traceback, for `ptycho plugins doctor`. `left_out`: whether the plugin takes no part because of it.
    """

    message: str
    advice: str
    distribution: str = ""
    plugin: str = ""
    details: str = ""
    left_out: bool = False

    def __str__(self) -> str:
        return f"{self.message}; {self.advice}"


def cause(error: BaseException) -> str:
    """`RuntimeError: no driver` on one line, whatever stands in the message."""
    try:
        text = shorten(str(error), LONGEST, placeholder=" …")
    except Exception:  # noqa: BLE001 - an exception of a plugin may fail at this, too
        text = "its message cannot be shown"
    if isinstance(error, RefusalError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def advice(error: BaseException, distribution: str) -> str:
    """What to do about an exception of a distribution's code."""
    if isinstance(error, RefusalError) and error.advice is not None:
        return error.advice
    # A dotted name is missing inside a package that is there, and the distribution's own package should be there:
    # installing something of that name would not help.
    if isinstance(error, ModuleNotFoundError) and error.name and "." not in error.name:
        if error.name != distribution.replace("-", "_"):
            return f"run 'pip install {error.name}'"
        return f"install {distribution} again, or remove it"
    return f"update, remove or report {distribution}"


def traceback_of(error: BaseException) -> str:
    """The traceback as text, with the exceptions that led to it."""
    return "".join(traceback.format_exception(error))
