"""A component together with the distribution that brings it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from ptycho_host.components import Component
from ptycho_host.errors import BrokenComponentError, PluginError, PtychoError
from ptycho_host.plugins.problems import PluginWarning, advice, cause
from ptycho_host.plugins.standard_output import kept_clear
from ptycho_host.plugins.tracing import TRACE_VARIABLE, traced


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

    @property
    def key(self) -> tuple[str, str, str | None]:
        """Kind, name and back-end: what must be different for two components to be told apart."""
        return self.component.kind, self.component.name, self.component.backend

    def load(self) -> Callable[..., Any]:
        """Import the factory; raises BrokenComponentError that names the target and the distribution."""
        target = self.component.target
        module_name, _, attribute = target.partition(":")
        try:
            with kept_clear(), traced("import", distribution=self.distribution, target=target):
                found: Any = import_module(module_name)
                for part in attribute.split("."):
                    found = getattr(found, part)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # an import may fail in any way, sys.exit among them
            raise BrokenComponentError(
                f"{self.label} cannot be used: {target} failed with {cause(error)}; {advice(error, self.distribution)}."
            ) from error
        if not callable(found):
            raise BrokenComponentError(f"{self.label} cannot be used: {target} is not a function.")
        return cast("Callable[..., Any]", found)

    @contextmanager
    def at_work(self, failed: str = "failed with") -> Iterator[None]:
        """What fails in the block is a PluginError that names the component; the host's own errors pass."""
        try:
            yield
        except (PtychoError, KeyboardInterrupt):
            raise
        except BaseException as error:  # whatever a plugin raises, sys.exit among it
            raise PluginError(
                f"{self.label} {failed} {cause(error)}; {advice(error, self.distribution)} "
                f"({TRACE_VARIABLE}=1 shows the traceback)."
            ) from error

    @contextmanager
    def passed_over_if_it_fails(self) -> Iterator[None]:
        """For components that nobody asked for by name: what fails in the block is a PluginWarning, and it ends."""
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - as everywhere with the code of plugins
            message = f"{self.label} was passed over: {cause(error)}; {advice(error, self.distribution)}."
            warnings.warn(message, PluginWarning, stacklevel=3)
