"""A component that was looked up and whose options were checked: ready to be built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from ptycho_host.components import Component, Generator
from ptycho_host.contracts import WITH_METHODS
from ptycho_host.errors import BrokenComponentError
from ptycho_host.options import OptionSchema
from ptycho_host.plugins import Host, Registration
from ptycho_host.plugins.standard_output import kept_clear
from ptycho_host.plugins.tracing import traced


@dataclass(frozen=True, slots=True)
class ConfiguredComponent:
    """A registered component with all its options, given ones and defaults.

    `chosen` is the name by which it was looked up: that of the component, or `distribution:name`.
    """

    registration: Registration
    options: BaseModel
    chosen: str

    @property
    def component(self) -> Component:
        """The descriptor."""
        return self.registration.component

    def as_table(self) -> dict[str, Any]:
        """Name and options as plain values that TOML can hold; options that are None are left out."""
        return {"name": self.chosen, **self.options.model_dump(mode="json", exclude_none=True)}

    def build(self, *supplied: Any) -> Any:
        """Call the factory with the options and as many of the `supplied` arguments as it takes.

        Raises PluginError when the factory fails with anything else than an error of `ptycho_host.errors`, and
        BrokenComponentError when what it returns is none of its kind.
        """
        factory = self.registration.load()
        accepted = OptionSchema(factory, self.registration.label).supplied
        values = {name: getattr(self.options, name) for name in type(self.options).model_fields}
        label = {"distribution": self.registration.distribution, "target": self.component.target}
        with self.registration.at_work("could not be built:"), kept_clear(), traced("build", **label):
            built = factory(*supplied[:accepted], **values)
        self._check(built)
        return built

    def _check(self, built: object) -> None:
        due = WITH_METHODS.get(self.component.kind)
        if not (callable(built) if due is None else isinstance(built, due)):
            raise BrokenComponentError(
                f"{self.registration.label} cannot be used: its factory returned {type(built).__name__}, where "
                f"{'a function' if due is None else due.__name__} is due (see ptycho_host.contracts); "
                f"update, remove or report {self.registration.distribution}."
            )


def configure(
    host: Host, kind: str, name: str, options: Mapping[str, Any] | None = None, backend: str | None = None
) -> ConfiguredComponent:
    """Look a component up and check its options; raises the InputErrors of `Host.find` and OptionError."""
    registration = host.find(kind, name, backend)
    schema = OptionSchema(registration.load(), f"{kind} '{name}'", label=registration.label)
    return ConfiguredComponent(registration, schema.validate(options or {}), name)


def scope_of(generator: ConfiguredComponent) -> Literal["pattern", "scan"]:
    """The scope that the generator's descriptor states."""
    return generator.component.scope if isinstance(generator.component, Generator) else "pattern"


def common_error_of(generator: ConfiguredComponent) -> tuple[float, float] | None:
    """What the generator's descriptor states that its patches err together."""
    return generator.component.common_error if isinstance(generator.component, Generator) else None
