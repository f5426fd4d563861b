"""Which plugins are installed, and loading one of them: whole or not at all, and never to the harm of others."""

from __future__ import annotations

import os
import re
import reprlib
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from time import perf_counter
from types import FunctionType
from typing import Any

import pluggy

from ptycho_host import hookspecs
from ptycho_host.components import KINDS
from ptycho_host.errors import close_match_hint, quoted
from ptycho_host.plugins.problems import Problem, RefusalError, advice, cause, traceback_of
from ptycho_host.plugins.registration import Registration
from ptycho_host.plugins.standard_output import kept_clear
from ptycho_host.plugins.tracing import traced

LOAD_VARIABLE = "PTYCHO_LOAD_PLUGINS"
"""Environment variable: entry points or distributions to load, separated by commas; empty loads none."""

HOST_DISTRIBUTION = "ptycho-host"

SLOW = 5.0
"""Seconds of loading from which on a plugin is named: nobody shall wait for `ptycho --help` without knowing why.

A busy machine takes its time with innocent ones too."""

PLURALS = {kind: f"ptycho_{kind}s" if kind != "loss" else "ptycho_losses" for kind in KINDS}
"""The hook that brings each kind of component."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plugin before it is loaded: the name of its entry point, where it comes from, and how to get it."""

    name: str
    distribution: str
    version: str
    module: str
    load: Callable[[], object]

    @classmethod
    def of_entry_point(cls, entry_point: EntryPoint) -> Candidate:
        """The plugin of an installed distribution."""
        found = entry_point.dist
        # Of a distribution that was removed by half there may be entry points without a name.
        distribution = (found and found.name) or entry_point.module.partition(".")[0]
        version = (found and found.version) or ""
        return cls(entry_point.name, distribution, version, entry_point.module, entry_point.load)

    @classmethod
    def of_object(cls, plugin: object) -> Candidate:
        """A plugin that is there already."""
        module = getattr(plugin, "__name__", type(plugin).__name__)
        return cls(module, module.partition(".")[0], "", module, lambda: plugin)

    @property
    def label(self) -> str:
        """`plugin 'mynet' of lab-net`, for messages."""
        return f"plugin '{self.name}' of {self.distribution}"


@dataclass(frozen=True, slots=True)
class Plugin:
    """What became of a candidate.

    `content` is the module itself, or None when it was left out; `api` the version it was written for, None until it
    could be asked; `seconds` the time it took to load.
    """

    candidate: Candidate
    content: object | None
    api: int | None
    seconds: float
    registrations: tuple[Registration, ...]
    problems: tuple[Problem, ...]


def installed() -> tuple[list[Candidate], list[Problem]]:
    """The plugins that `PTYCHO_LOAD_PLUGINS` admits, and the names in it that fit none."""
    found = [Candidate.of_entry_point(entry_point) for entry_point in entry_points(group=hookspecs.PROJECT)]
    found.sort(key=lambda candidate: (candidate.name, candidate.distribution))
    setting = os.environ.get(LOAD_VARIABLE)
    if setting is None:
        return found, []
    wanted = {_normal(part): part.strip() for part in setting.split(",") if part.strip()}
    # The host's own entry point is no plugin of somebody: without it there would be no command to run.
    admitted = [
        candidate
        for candidate in found
        if candidate.distribution == HOST_DISTRIBUTION or not wanted.keys().isdisjoint(_names(candidate))
    ]
    known = {name for candidate in found for name in _names(candidate)}
    return admitted, [_matches_nothing(part, known) for name, part in wanted.items() if name not in known]


def _names(candidate: Candidate) -> set[str]:
    return {_normal(candidate.name), _normal(candidate.distribution)}


def _normal(name: str) -> str:
    # As packages are compared (PEP 503): Lab_Net is lab-net.
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _matches_nothing(name: str, known: Collection[str]) -> Problem:
    return Problem(
        f"{LOAD_VARIABLE} names '{name}', which is no installed plugin and no distribution of one",
        f"correct it or unset it.{close_match_hint(name, known)} Installed: {quoted(sorted(known))}",
    )


def load(candidate: Candidate, earlier: Sequence[Plugin]) -> Plugin:
    """Load a plugin; if anything is wrong with it, nothing of it is taken and a problem says what.

    `earlier`: the plugins loaded before, which it must not repeat.
    """
    content: object | None = None
    api: int | None = None
    registrations: tuple[Registration, ...] = ()
    problems: list[Problem] = []
    blame = partial(Problem, distribution=candidate.distribution, plugin=candidate.name)
    start = perf_counter()
    with warnings.catch_warnings(record=True) as emitted:
        try:
            with kept_clear(), traced("load", distribution=candidate.distribution, plugin=candidate.name):
                loaded = candidate.load()
                api = _declared_version(loaded, candidate)
                _check_new(loaded, candidate, earlier)
                registrations = tuple(_registrations(loaded, candidate, earlier))
                content = loaded
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin may fail in any way, sys.exit among them
            problems.append(
                blame(
                    f"{candidate.label} was left out: {cause(error)}",
                    advice(error, candidate.distribution),
                    details=traceback_of(error),
                    left_out=True,
                )
            )
    seconds = perf_counter() - start
    if seconds > SLOW:
        problems.append(
            blame(
                f"{candidate.label} took {seconds:.1f} s to load",
                f"its module {candidate.module} must import nothing heavy: update or report {candidate.distribution}, "
                f"or leave it out by naming the others in {LOAD_VARIABLE}",
            )
        )
    if emitted:
        told = [cause(warning.message) for warning in emitted if isinstance(warning.message, Warning)]
        more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
        problems.append(
            blame(
                f"{candidate.label} gave a warning: {told[0]}{more}",
                f"it works; update or report {candidate.distribution} to be rid of it",
                details="\n".join(told),
            )
        )
    return Plugin(candidate, content, api, seconds, registrations, tuple(problems))


def new_manager() -> pluggy.PluginManager:
    """A pluggy manager with our hooks and no plugin."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _declared_version(plugin: object, candidate: Candidate) -> int:
    """The API version that the plugin was written for; raises RefusalError when it is not ours."""
    declared = getattr(plugin, hookspecs.API_ATTRIBUTE, hookspecs.API_VERSION)
    if type(declared) is not int:
        raise RefusalError(f"{hookspecs.API_ATTRIBUTE} is {reprlib.repr(declared)}, where a whole number is due")
    if declared != hookspecs.API_VERSION:
        behind = HOST_DISTRIBUTION if declared > hookspecs.API_VERSION else candidate.distribution
        raise RefusalError(
            f"it is written for version {declared} of the plugin API, {HOST_DISTRIBUTION} has {hookspecs.API_VERSION}",
            f"update {behind}: run 'pip install --upgrade {behind}'",
        )
    return declared


def _check_new(plugin: object, candidate: Candidate, earlier: Sequence[Plugin]) -> None:
    """Raise RefusalError for a module that takes part already: an entry point that leads into another's package."""
    for other in earlier:
        if plugin is other.content:
            origins = sorted({candidate.distribution, other.candidate.distribution})
            raise RefusalError(
                f"its module {candidate.module} takes part already as {other.candidate.label}",
                f"remove one of the two: update or uninstall {' or '.join(origins)}",
            )


def _registrations(plugin: object, candidate: Candidate, earlier: Sequence[Plugin]) -> Iterator[Registration]:
    """The components of one plugin; raises RefusalError for anything that is not one."""
    trial = new_manager()
    trial.register(plugin, candidate.name)
    _check_hooks(plugin, trial)
    others = [entry for other in earlier for entry in other.registrations]
    seen = {entry.key for entry in others if entry.distribution == candidate.distribution}
    for kind, hook in PLURALS.items():
        for implementation in getattr(trial.hook, hook).get_hookimpls():
            with traced("hook", distribution=candidate.distribution, plugin=candidate.name, hook=hook):
                returned: Any = implementation.function()
            if not isinstance(returned, list | tuple):
                raise RefusalError(f"{hook} returned {type(returned).__name__} where a list of descriptors is due")
            for component in returned:
                if type(component) is not KINDS[kind]:
                    raise RefusalError(
                        f"{hook} returned {reprlib.repr(component)} of type {type(component).__name__}, "
                        f"where a {KINDS[kind].__name__} itself is due"
                    )
                registration = Registration(component, candidate.distribution, candidate.version)
                if registration.key in seen:
                    raise RefusalError(f"{candidate.distribution} brings {kind} '{component.name}' twice")
                seen.add(registration.key)
                yield registration


def _check_hooks(plugin: object, trial: pluggy.PluginManager) -> None:
    """Raise RefusalError for functions that would never be called: misspelt, not marked, or none at all."""
    known = {name for name in vars(hookspecs) if name.startswith(f"{hookspecs.PROJECT}_")}
    called = {caller.name: caller for caller in trial.get_hookcallers(plugin) or ()}
    for name in called:
        if name not in known:
            (nearest,) = get_close_matches(name, known, n=1, cutoff=0)
            raise RefusalError(f"there is no hook '{name}' (the nearest is '{nearest}')")
    for name, value in getattr(plugin, "__dict__", {}).items():
        if name in known and name not in called and isinstance(value, FunctionType):
            raise RefusalError(f"its function {name} is not marked with @hookimpl")
    if not called:
        raise RefusalError("it has no function marked with @hookimpl")
