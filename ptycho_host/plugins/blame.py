"""Whose fault an unexpected exception is, read off its traceback."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from ptycho_host.errors import PluginError
from ptycho_host.plugins.discovery import HOST_DISTRIBUTION
from ptycho_host.plugins.host import Host
from ptycho_host.plugins.problems import advice, cause
from ptycho_host.plugins.tracing import TRACE_VARIABLE

ENTRANCE = "ptycho_host.cli.app"
"""Where every call of `ptycho` comes through, whoever brought the command."""


@dataclass(frozen=True, slots=True)
class _Place:
    distribution: str
    module: str
    line: int


def blame(error: BaseException, host: Host) -> PluginError | None:
    """What to tell the user about an exception that came out of a plugin's code; None for the host's own.

    It is the fault of the distribution whose code ran last: a loss that fails does so inside an engine of somebody
    else, and the function of a library that it called belongs to nobody here. A command may end with sys.exit.
    """
    places = [place for place in _places(error, host) if place.module != ENTRANCE]
    theirs = [place for place in places if place.distribution != HOST_DISTRIBUTION]
    if not theirs:
        return None
    last = theirs[-1]
    if isinstance(error, SystemExit) and last.distribution == places[0].distribution:
        return None
    blamed = PluginError(
        f"{last.distribution} failed with {cause(error)} ({last.module}, line {last.line}); "
        f"{advice(error, last.distribution)} ({TRACE_VARIABLE}=1 shows the traceback)."
    )
    blamed.__cause__ = error
    for note in getattr(error, "__notes__", ()):
        blamed.add_note(note)
    return blamed


def _places(error: BaseException, host: Host) -> Iterator[_Place]:
    """The frames, outermost first, that belong to the host or to a plugin."""
    owners: dict[str, str] = {}
    for module, distribution in _modules(host):
        for package in _packages(module):
            owners.setdefault(package, distribution)
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__", ""))
        # The longest known package decides: distributions may share a namespace.
        owner = next((owners[package] for package in _packages(module) if package in owners), None)
        if owner is not None:
            yield _Place(owner, module, line)


def _modules(host: Host) -> Iterator[tuple[str, str]]:
    for plugin in host.plugins:
        yield plugin.candidate.module, plugin.candidate.distribution
    for entry in host.registrations():
        yield entry.component.target.partition(":")[0], entry.distribution


def _packages(module: str) -> Iterator[str]:
    """`a.b.c`, `a.b`, `a`."""
    while module:
        yield module
        module = module.rpartition(".")[0]
