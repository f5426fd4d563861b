"""Finding plugins, keeping broken ones from harming the others, and looking components up by name."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

import pluggy

from ptycho_host import hookspecs
from ptycho_host.catalogue import Catalogue
from ptycho_host.components import KINDS, Component
from ptycho_host.errors import (
    AmbiguousComponentError,
    BackendError,
    BrokenComponentError,
    InputError,
    UnknownComponentError,
    close_match_hint,
    quoted,
)

LOAD_VARIABLE = "PTYCHO_LOAD_PLUGINS"
"""Environment variable: entry points or distributions to load, separated by commas; empty loads none."""

HOST_DISTRIBUTION = "ptycho-host"

PLURALS = {kind: f"ptycho_{kind}s" if kind != "loss" else "ptycho_losses" for kind in KINDS}
"""The hook that brings each kind of component."""


class PluginWarning(UserWarning):
    """A plugin or one of its hooks failed and was left out."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A component and the distribution that brings it."""

    component: Component
    distribution: str
    version: str = ""

    @property
    def label(self) -> str:
        """`generator 'fno' (ptycho-contrib-fno)`, for messages."""
        return f"{self.component.kind} '{self.component.name}' ({self.distribution})"

    def load(self) -> Callable[..., Any]:
        """Import the factory; raises BrokenComponentError that names the target and the distribution."""
        module_name, _, attribute = self.component.target.partition(":")
        try:
            target: Any = import_module(module_name)
            for part in attribute.split("."):
                target = getattr(target, part)
        except (Exception, SystemExit) as error:
            raise BrokenComponentError(
                f"{self.label} cannot be used: {self.component.target} failed with "
                f"{type(error).__name__}: {error}; {_advice(error, self.distribution)}."
            ) from error
        if not callable(target):
            raise BrokenComponentError(f"{self.label} cannot be used: {self.component.target} is not a function.")
        return cast("Callable[..., Any]", target)


@dataclass(frozen=True, slots=True)
class PluginProblem:
    """Why a plugin was left out: whose it is, what happened, what to do, and the traceback for `doctor`."""

    plugin: str
    distribution: str
    message: str
    advice: str
    details: str = ""

    def __str__(self) -> str:
        return f"plugin '{self.plugin}' of {self.distribution} was left out: {self.message}"


class Host:
    """The plugins that take part, and the components they bring.

    `Host([module, …])` takes plugin modules explicitly and discovers nothing; `Host.discover()` loads every entry
    point of the group `ptycho`. A plugin that cannot be taken over is a PluginWarning and an entry of `problems`.
    """

    def __init__(self, plugins: Iterable[object] = (), *, catalogue: Catalogue | None = None) -> None:
        self._catalogue = catalogue
        self.problems: list[PluginProblem] = []
        self._registrations: list[Registration] = []
        self._observers_warned: set[str] = set()
        self._manager = _new_manager()
        for plugin in plugins:
            name = getattr(plugin, "__name__", type(plugin).__name__)
            self._add(lambda plugin=plugin: plugin, name, name.partition(".")[0], "")  # type: ignore[misc]

    @classmethod
    def discover(cls) -> Host:
        """The host with all installed plugins that `PTYCHO_LOAD_PLUGINS` admits."""
        host = cls()
        found = [(entry_point, *_origin(entry_point)) for entry_point in entry_points(group=hookspecs.PROJECT)]
        for entry_point, distribution, version in sorted(found, key=lambda entry: (entry[0].name, entry[1])):
            if _admitted(entry_point.name, distribution):
                host._add(entry_point.load, entry_point.name, distribution, version)
        return host

    @cached_property
    def catalogue(self) -> Catalogue:
        """Known components, read when the first hint is due; raises ConfigError when it cannot be read."""
        return self._catalogue if self._catalogue is not None else Catalogue.load()

    def registrations(self, kind: str | None = None) -> list[Registration]:
        """All registered components, or those of a kind, ordered by kind, name and back-end."""
        order = {name: number for number, name in enumerate(KINDS)}
        chosen = [entry for entry in self._registrations if kind is None or entry.component.kind == kind]
        return sorted(
            chosen, key=lambda entry: (order[entry.component.kind], entry.component.name, entry.component.backend or "")
        )

    def named(self, kind: str, name: str) -> list[Registration]:
        """The components of that kind and name on every back-end; `name` may be `distribution:name`.

        Raises UnknownComponentError, with the nearest names and how to install the missing one.
        """
        if kind not in KINDS:
            raise InputError(
                f"there is no kind of component '{kind}'.{close_match_hint(kind, KINDS)} Kinds: {quoted(KINDS)}."
            )
        distribution, _, bare = name.rpartition(":")
        found = [
            entry
            for entry in self.registrations(kind)
            if entry.component.name == bare and (not distribution or entry.distribution == distribution)
        ]
        if found:
            return found
        known = sorted({entry.component.name for entry in self.registrations(kind)})
        elsewhere = [entry.distribution for entry in self.registrations(kind) if entry.component.name == bare]
        if elsewhere:
            raise UnknownComponentError(
                f"distribution '{distribution}' brings no {kind} '{bare}'; {quoted(elsewhere)} does."
            )
        hint = self.catalogue.install_hint(kind, bare) or close_match_hint(bare, {*known, *self.catalogue.names(kind)})
        installed = f" Installed: {quoted(known)}." if known else f" No {kind} is installed."
        raise UnknownComponentError(f"no {kind} named '{name}' is installed.{hint}{installed}")

    def find(self, kind: str, name: str, backend: str | None = None) -> Registration:
        """The one component of that kind and name that works on `backend`.

        Raises UnknownComponentError, BackendError when it exists only for others, AmbiguousComponentError when
        several distributions bring it or, with no back-end given, several back-ends have it.
        """
        everywhere = self.named(kind, name)
        fitting = [entry for entry in everywhere if backend is None or entry.component.backend in (None, backend)]
        if not fitting:
            offered = quoted(sorted({str(entry.component.backend) for entry in everywhere}))
            raise BackendError(f"{kind} '{name}' exists for back-end {offered}, not for '{backend}'.")
        if len(fitting) > 1:
            origins = sorted(f"{entry.distribution}:{entry.component.name}" for entry in fitting)
            if len(set(origins)) == 1:
                raise AmbiguousComponentError(
                    f"{kind} '{name}' exists for several back-ends: "
                    f"{quoted(sorted(str(entry.component.backend) for entry in fitting))}; choose one with --backend."
                )
            raise AmbiguousComponentError(
                f"{kind} '{name}' is brought by several distributions; name one of them: {quoted(origins)}."
            )
        return fitting[0]

    def notify(self, record: object) -> None:
        """Tell the observers; the record's class decides the hook. An observer's failure is a warning, once."""
        name = type(record).__name__
        hook_name = "ptycho_" + "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)[1:]
        for implementation in getattr(self._manager.hook, hook_name).get_hookimpls():
            try:
                # As everywhere in pluggy, an implementation may leave out arguments that it does not need.
                implementation.function(*(record for _ in implementation.argnames))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - an observer may fail in any way, the run goes on
                key = f"{implementation.plugin_name}.{hook_name}"
                if key not in self._observers_warned:
                    self._observers_warned.add(key)
                    message = f"observer {key} failed with {type(error).__name__}: {error}; the run goes on."
                    warnings.warn(message, PluginWarning, stacklevel=2)

    def _add(self, load: Callable[[], object], name: str, distribution: str, version: str) -> None:
        """Load one plugin; take it over whole, or note the problem and take nothing."""
        try:
            # A plugin that prints while it loads must not spoil output that a program reads.
            with redirect_stdout(sys.stderr):
                plugin = load()
                trial = _new_manager()
                trial.register(plugin, name)
                trial.check_pending()
                found = [
                    Registration(component, distribution, version)
                    for kind in KINDS
                    for component in _checked(kind, trial)
                ]
                # Two distributions may well choose the same name for their entry points.
                self._manager.register(plugin, f"{distribution}:{name}")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - so may a plugin
            problem = PluginProblem(
                plugin=name,
                distribution=distribution,
                message=f"{type(error).__name__}: {error}",
                advice=_advice(error, distribution),
                details=traceback.format_exc(),
            )
            self.problems.append(problem)
            warnings.warn(str(problem), PluginWarning, stacklevel=3)
        else:
            self._registrations.extend(found)


def _advice(error: BaseException, distribution: str) -> str:
    # A dotted name is missing inside a package that is there: installing that package again would not help.
    if isinstance(error, ModuleNotFoundError) and error.name and "." not in error.name:
        return f"run 'pip install {error.name}'"
    return f"update, remove or report {distribution}"


def _new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _checked(kind: str, manager: pluggy.PluginManager) -> Iterator[Component]:
    """The components of a kind that one plugin returns; raises TypeError for anything that is not one."""
    seen: set[tuple[str, str | None]] = set()
    for implementation in getattr(manager.hook, PLURALS[kind]).get_hookimpls():
        returned = implementation.function()
        if not isinstance(returned, list | tuple):
            raise TypeError(f"{PLURALS[kind]} returned {type(returned).__name__} where a list of descriptors is due")
        for component in returned:
            if type(component) is not KINDS[kind]:
                raise TypeError(f"{PLURALS[kind]} returned {component!r}, which is not a {KINDS[kind].__name__}")
            if (component.name, component.backend) in seen:
                raise ValueError(f"{PLURALS[kind]} returned '{component.name}' twice")
            seen.add((component.name, component.backend))
            yield component


def _origin(entry_point: EntryPoint) -> tuple[str, str]:
    distribution = entry_point.dist
    if distribution is None:
        return entry_point.value.partition(".")[0], ""
    return distribution.name, distribution.version


def _admitted(name: str, distribution: str) -> bool:
    # The host's own entry point is no plugin of somebody: without it there would be no command to run.
    if LOAD_VARIABLE not in os.environ or distribution == HOST_DISTRIBUTION:
        return True
    wanted = {part.strip() for part in os.environ[LOAD_VARIABLE].split(",")}
    return name in wanted or distribution in wanted
