"""The plugins that take part, and looking up by name what they bring."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property

from ptycho_host.catalogue import Catalogue
from ptycho_host.components import KINDS
from ptycho_host.errors import (
    AmbiguousComponentError,
    BackendError,
    InputError,
    UnknownComponentError,
    close_match_hint,
    quoted,
)
from ptycho_host.plugins.discovery import Candidate, Plugin, installed, load, new_manager
from ptycho_host.plugins.problems import PluginWarning, Problem, cause, traceback_of
from ptycho_host.plugins.registration import Registration
from ptycho_host.plugins.tracing import traced, tracing


class Host:
    """The plugins that take part, and the components they bring.

    `Host([module, …])` takes plugin modules explicitly and discovers nothing; `Host.discover()` loads every entry
    point of the group `ptycho`. What is wrong with a plugin is a PluginWarning and an entry of `problems`.
    """

    def __init__(self, plugins: Iterable[object] = (), *, catalogue: Catalogue | None = None) -> None:
        self._catalogue = catalogue
        self.plugins: list[Plugin] = []
        self.problems: list[Problem] = []
        self._observers_warned: set[str] = set()
        self._manager = new_manager()
        for plugin in plugins:
            self.add(plugin)

    @classmethod
    def discover(cls) -> Host:
        """The host with all installed plugins that `PTYCHO_LOAD_PLUGINS` admits."""
        host = cls()
        candidates, problems = installed()
        for problem in problems:
            host._note(problem)
        for candidate in candidates:
            host._add(candidate)
        return host

    def add(self, plugin: object) -> None:
        """One more plugin, a module or an object with hooks, such as an observer that a program brings for its runs."""
        self._add(Candidate.of_object(plugin))

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
        missing = f"no {kind} named '{name}' is installed." if name else f"no {kind} was named."
        raise UnknownComponentError(f"{missing}{hint}{installed}")

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

    def duplicates(self) -> Iterator[Problem]:
        """Components that several distributions bring."""
        origins: dict[tuple[str, str, str | None], list[str]] = {}
        for entry in self.registrations():
            origins.setdefault(entry.key, []).append(entry.distribution)
        for (kind, name, _), found in origins.items():
            if len(found) > 1:
                yield Problem(
                    f"{kind} '{name}' is brought by {' and '.join(found)}",
                    "name it as distribution:name or uninstall one",
                )

    def notify(self, record: object) -> None:
        """Tell the observers; the record's class decides the hook. An observer's failure is a warning, once."""
        name = type(record).__name__
        hook = "ptycho_" + "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)[1:]
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            observer = f"{implementation.plugin_name}.{hook}"
            try:
                with traced("hook", plugin=implementation.plugin_name, hook=hook):
                    # As everywhere in pluggy, an implementation may leave out arguments that it does not need.
                    implementation.function(*(record for _ in implementation.argnames))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - an observer may fail in any way, the run goes on
                if observer not in self._observers_warned:
                    self._observers_warned.add(observer)
                    details = f"\n{traceback_of(error)}" if tracing() else ""
                    message = f"observer {observer} failed with {cause(error)}; the run goes on.{details}"
                    warnings.warn(message, PluginWarning, stacklevel=2)

    def _add(self, candidate: Candidate) -> None:
        plugin = load(candidate, self.plugins)
        self.plugins.append(plugin)
        if plugin.content is not None:
            # Two distributions may well choose the same name for their entry points.
            self._manager.register(plugin.content, f"{candidate.distribution}:{candidate.name}")
        for problem in plugin.problems:
            self._note(problem)

    def _note(self, problem: Problem) -> None:
        self.problems.append(problem)
        warnings.warn(str(problem), PluginWarning, stacklevel=4)

    @property
    def _registrations(self) -> list[Registration]:
        return [registration for plugin in self.plugins for registration in plugin.registrations]
