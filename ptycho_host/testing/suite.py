"""What every conformance suite does: look the component up, try it, and say in one sentence what is wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
import tomli_w

from ptycho_host.configured import ConfiguredComponent, configure
from ptycho_host.errors import InputError, quoted
from ptycho_host.options import OptionSchema
from ptycho_host.plugins import Host, Registration
from ptycho_host.testing.choices import choices
from ptycho_host.testing.laziness import imported_by_listing

HEAVY = frozenset({
    "cupy", "h5py", "jax", "keras", "lightning_fabric", "matplotlib", "numpy", "pandas", "scipy", "skimage",
    "tensorflow", "torch",
})  # fmt: skip
"""Packages that take a noticeable time to import: listing components must not."""


class ComponentConformance:
    """A test class for one registered component; inherit the suite of its kind and name the component.

    name: as registered, or `distribution:name` where several bring it. backend: needed only where several back-ends
    have the name. The component is looked up among the installed plugins; a fixture `host`, in the class or in a
    conftest.py, puts others in their place.
    """

    kind: ClassVar[str]
    contract: ClassVar[str]
    """Where the promise stands that is tested here."""
    supplied: ClassVar[int] = 0
    """How many positional arguments the host hands to the factory."""

    name: ClassVar[str]
    backend: ClassVar[str | None] = None
    options: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def host(self, request: pytest.FixtureRequest) -> Host:
        """The host that knows the component: that of the conftest.py if it has one, else all installed plugins."""
        try:
            given: Host = request.getfixturevalue("host")
        except pytest.FixtureLookupError:
            return Host.discover()
        return given

    @pytest.fixture
    def registration(self, host: Host) -> Registration:
        """The component as it was registered."""
        return host.find(self.kind, self.name, self.backend)

    @pytest.fixture
    def component(self, host: Host) -> ConfiguredComponent:
        """The component with the options of this class."""
        return self.configured(host, self.options)

    def configured(self, host: Host, options: Mapping[str, Any]) -> ConfiguredComponent:
        """The component with other options."""
        return configure(host, self.kind, self.name, options, self.backend)

    def require(self, holds: object, tested: Registration | ConfiguredComponent, sentence: str) -> None:
        """Fail with a sentence about the component, and where the contract stands, unless it `holds`."""
        __tracebackhide__ = True
        if not holds:
            raise AssertionError(f"{_label(tested)} {sentence} (see {self.contract}).")

    @contextmanager
    def attempt(self, tested: Registration | ConfiguredComponent, doing: str) -> Iterator[None]:
        """Turn whatever the component raises inside the block into a failure that says what was tried."""
        __tracebackhide__ = True
        try:
            yield
        except Exception as error:
            what = f"{type(error).__name__}: {error}".rstrip(".")
            raise AssertionError(f"{_label(tested)} fails {doing}: {what} (see {self.contract}).") from error

    # --- what holds for every kind -----------------------------------------------------------------------------

    def test_summary_is_one_line(self, registration: Registration) -> None:
        """`ptycho plugins list` shows what the component is."""
        summary = registration.component.summary
        self.require(
            isinstance(summary, str) and summary.strip() and "\n" not in summary,
            registration,
            "needs a summary of one line in its descriptor",
        )

    def test_target_can_be_imported(self, registration: Registration) -> None:
        """The descriptor's target leads to a function or class."""
        with self.attempt(registration, f"to be imported from '{registration.component.target}'"):
            registration.load()

    def test_listing_imports_nothing_heavy(self, registration: Registration) -> None:
        """The plugin's module imports nothing that takes time: descriptors name their targets as strings."""
        packages = imported_by_listing(registration.distribution)
        if packages is None:
            pytest.skip(f"{registration.distribution} is not installed with an entry point of the group 'ptycho'")
        heavy = sorted(packages & HEAVY)
        self.require(
            not heavy,
            registration,
            f"makes 'ptycho plugins list' import {quoted(heavy)}: import that in the module of the target only",
        )


class OptionConformance(ComponentConformance):
    """For the kinds whose factory's keyword-only parameters are options."""

    def test_factory_takes_what_the_host_supplies(self, registration: Registration) -> None:
        """Whatever users may set stands behind the `*` of the signature."""
        with self.attempt(registration, "to describe its options"):
            accepted = OptionSchema(registration.load(), registration.label).supplied
        self.require(
            accepted <= self.supplied,
            registration,
            f"has a factory with {accepted} positional parameters where the host supplies {self.supplied} at most; "
            "put options behind a '*' in its signature",
        )

    def test_every_option_is_documented(self, registration: Registration) -> None:
        """`ptycho plugins show` and the reference have a description for each option."""
        bare = [
            option.name
            for option in OptionSchema(registration.load(), registration.label).describe()
            if not option.description.strip()
        ]
        self.require(
            not bare,
            registration,
            f"does not describe {quoted(bare)}; annotate with Annotated[…, Field(description=…)]",
        )

    def test_defaults_keep_their_bounds(self, host: Host, registration: Registration) -> None:
        """Options that are not given are valid."""
        options = OptionSchema(registration.load(), registration.label).describe()
        required = {option.name for option in options if option.default == "required"}
        given = {name: value for name, value in self.options.items() if name in required}
        with self.attempt(registration, "with the defaults of its options"):
            self.configured(host, given)

    def test_options_survive_toml(self, host: Host, component: ConfiguredComponent) -> None:
        """A run is repeated from its config.toml: what is written there reads back to the same options."""
        with self.attempt(component, "to write its options as TOML"):
            table = tomllib.loads(tomli_w.dumps(component.as_table()))
        table.pop("name")
        with self.attempt(component, "to take its own options back from TOML"):
            again = self.configured(host, table)
        self.require(
            again.options.model_dump() == component.options.model_dump(),
            component,
            f"has options that TOML does not keep: {component.options} came back as {again.options}",
        )

    def test_every_choice_of_an_option_works(self, host: Host, component: ConfiguredComponent) -> None:
        """Each literal or boolean value of an option either works or is refused with a sentence for the user."""
        for options, setting in choices(component):
            try:
                self.try_out(host, self.configured(host, options))
            except InputError:
                continue
            except Exception as error:
                what = f"{type(error).__name__}: {error}".rstrip(".")
                raise AssertionError(
                    f"{_label(component)} fails with {setting}: {what}; it must work, or raise OptionError when other "
                    f"options do not go with it (see {self.contract})."
                ) from error

    def try_out(self, host: Host, component: ConfiguredComponent) -> None:
        """Use the component once; suites say how."""
        component.build()


def _label(tested: Registration | ConfiguredComponent) -> str:
    return tested.label if isinstance(tested, Registration) else tested.registration.label
