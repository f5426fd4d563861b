"""Frozen descriptors: what a plugin says about a component without importing it.

A descriptor names a factory by `target = "module:attribute"`; the host imports it at first use. The factory's
keyword-only parameters are the component's options (see `ptycho_host.options`); what it returns is described
in `ptycho_host.contracts`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal


@dataclass(frozen=True, slots=True)
class Component:
    """What every descriptor says: name, one-line summary, factory, and the tensor library it is made for.

    `backend` is None for components that work on NumPy arrays and so fit every engine.
    """

    name: str
    summary: str
    target: str
    backend: str | None = None

    kind: ClassVar[str] = "component"

    def __post_init__(self) -> None:
        for name, (fits, due) in _FIELDS.items():
            if hasattr(self, name) and not fits(value := getattr(self, name)):
                raise ValueError(f"{name} of {self.kind} {self.name!r} must be {due}, not {value!r}")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.replace("_", "").replace("-", "").isalnum()


def _is_factor(value: object) -> bool:
    return isinstance(value, float) and 0 <= value < math.inf


# What lists and look-ups rely on: a descriptor that breaks it shall fail in its own plugin, not in the host later on.
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (_is_name, "letters, digits, '_' or '-'"),
    "summary": (lambda value: isinstance(value, str) and "\n" not in value, "one line of text"),
    "target": (lambda value: isinstance(value, str) and all(value.partition(":")[::2]), "'module:attribute'"),
    "backend": (lambda value: value is None or _is_name(value), "the name of a tensor library, or None"),
    "scope": (lambda value: value in ("pattern", "scan"), "'pattern' or 'scan'"),
    "scopes": (
        lambda value: isinstance(value, tuple) and bool(value) and set(value) <= {"pattern", "scan"},
        "a tuple such as ('pattern', 'scan')",
    ),
    "training": (
        lambda value: isinstance(value, Mapping) and all(isinstance(name, str) for name in value),
        "a table such as {'learning_rate': 5e-4}",
    ),
    "common_error": (
        lambda value: value is None or (isinstance(value, tuple) and len(value) == 2 and all(map(_is_factor, value))),
        "None or a pair such as (0.4, 1.0)",
    ),
    "supervised": (lambda value: isinstance(value, bool), "True or False"),
    "suffixes": (
        lambda value: isinstance(value, tuple) and all(isinstance(part, str) and part[:1] == "." for part in value),
        "a tuple such as ('.npz',)",
    ),
}


@dataclass(frozen=True, slots=True)
class Generator(Component):
    """A network from diffraction amplitudes to complex object patches.

    `scope` is "pattern" (one group of patterns in, its patches out) or "scan" (a whole region in, its object canvas
    out; patterns may have another size than those of training). `training` holds options of the section `train` that
    suit it, such as `{"learning_rate": 5e-4}`: they take the place of the host's defaults, never of what a user asked
    for. `common_error` is what overlapping patches err together, amplitude and phase, in units of their spread
    (`ptycho_host.metrics.uncertainty`), as `benchmarks/uncertainty.py` found it; None where nobody has measured it.
    """

    scope: Literal["pattern", "scan"] = "pattern"
    training: Mapping[str, Any] = field(default_factory=dict, hash=False)
    common_error: tuple[float, float] | None = None
    kind: ClassVar[str] = "generator"


@dataclass(frozen=True, slots=True)
class Loss(Component):
    """A scalar that training lowers; `supervised` losses need a scan whose true object is known."""

    supervised: bool = False
    kind: ClassVar[str] = "loss"


@dataclass(frozen=True, slots=True)
class Clipper(Component):
    """Bounds the gradients between the backward pass and the optimiser's step."""

    kind: ClassVar[str] = "clipper"


@dataclass(frozen=True, slots=True)
class Simulator(Component):
    """Makes a scan with a known object."""

    kind: ClassVar[str] = "simulator"


@dataclass(frozen=True, slots=True)
class Stitcher(Component):
    """Assembles object patches into one object."""

    kind: ClassVar[str] = "stitcher"


@dataclass(frozen=True, slots=True)
class Refiner(Component):
    """Polishes an object iteratively against all patterns of a scan."""

    kind: ClassVar[str] = "refiner"


@dataclass(frozen=True, slots=True)
class Engine(Component):
    """Trains generators of some `scopes` and predicts patches on one tensor library, named by `backend`."""

    scopes: tuple[str, ...] = ("pattern",)
    kind: ClassVar[str] = "engine"


@dataclass(frozen=True, slots=True)
class Reader(Component):
    """Reads scans from files with one of `suffixes` (".npz", …); it looks at the content before it accepts."""

    suffixes: tuple[str, ...] = ()
    kind: ClassVar[str] = "reader"


@dataclass(frozen=True, slots=True)
class Writer(Component):
    """Writes scans to files with one of `suffixes`."""

    suffixes: tuple[str, ...] = ()
    kind: ClassVar[str] = "writer"


@dataclass(frozen=True, slots=True)
class Dataset(Component):
    """A named scan that travels with a distribution, so that `--data NAME` works anywhere."""

    kind: ClassVar[str] = "dataset"


@dataclass(frozen=True, slots=True)
class Network(Component):
    """A trained network that travels with a distribution, so that `ptycho reconstruct NAME DATA` works anywhere."""

    kind: ClassVar[str] = "network"


@dataclass(frozen=True, slots=True)
class Command(Component):
    """A subcommand of `ptycho`; `target` is a function that Typer can call."""

    kind: ClassVar[str] = "command"


KINDS: dict[str, type[Component]] = {
    kind.kind: kind
    for kind in (
        Generator, Loss, Clipper, Simulator, Stitcher, Refiner, Engine, Reader, Writer, Dataset, Network, Command,
    )
}  # fmt: skip
