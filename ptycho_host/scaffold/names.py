"""The names that follow from the one that the user gives: of the distribution, its package and its component."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass
from importlib.metadata import packages_distributions

from ptycho_host.errors import InputError, quoted
from ptycho_host.plugins import Host
from ptycho_host.scaffold.blueprints import Blueprint

PREFIX = "ptycho-"
"""Distributions may carry it; their components do not, since the command says it already."""
LONGEST = 40
"""Letters of the longest name: with more, the lines of the generated files would grow beyond what one reads."""
TAKEN = {*sys.stdlib_module_names, "torch", "tensorflow", "keras", "tests", "package"}
"""Packages that a new one must not hide, installed or not."""

_VALID = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_.]+[A-Za-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Names:
    """`My.Net` -> distribution `my-net` (PEP 503), package and component `my_net`, class `MyNet`.

    A distribution `ptycho-mynet` brings the component `mynet`. A command is typed, so it keeps its dashes.
    """

    distribution: str
    package: str
    component: str
    camel: str

    @classmethod
    def of(cls, name: str, *, kind: str) -> Names:
        """The names; raises InputError for one that neither pip nor Python would take."""
        if not _VALID.fullmatch(name) or len(name) > LONGEST:
            raise InputError(
                f"'{name}' cannot name a package; use at most {LONGEST} letters, digits and '-', beginning with a "
                "letter, such as mynet."
            )
        distribution = re.sub(r"[-_.]+", "-", name).lower()
        package = distribution.replace("-", "_")
        if keyword.iskeyword(package) or package in TAKEN:
            raise InputError(f"a package '{package}' would hide another of that name; choose another name.")
        short = distribution.removeprefix(PREFIX)
        component = short if kind == "command" else short.replace("-", "_")
        return cls(distribution, package, component, short.title().replace("-", ""))


def check_free(names: Names, blueprint: Blueprint, host: Host) -> None:
    """Raise InputError when a component, a distribution or an installed package is called so already."""
    for entry in host.registrations():
        component = entry.component
        twin = component.backend is not None and component.backend != blueprint.backend
        if component.kind in blueprint.kinds and component.name == names.component and not twin:
            raise InputError(f"{entry.label} exists already; choose another name.")
    if names.distribution in {entry.distribution for entry in host.catalogue.entries}:
        raise InputError(f"there is a distribution {names.distribution} already; choose another name.")
    owners = packages_distributions().get(names.package)
    if owners:
        raise InputError(
            f"a package '{names.package}' is installed already (by {quoted(sorted(set(owners)))}); choose another name."
        )
