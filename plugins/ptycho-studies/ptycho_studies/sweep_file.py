"""The TOML file of a sweep: a run configuration, and the table `[sweep]` that varies it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ptycho_host.config import COMPONENT_SECTIONS, resolve
from ptycho_host.errors import ConfigError, InputError
from ptycho_studies.arms import Arm
from ptycho_studies.sweep_space import Point, Space, nested, parse_space

OWN = Path(__file__).parent / "sweeps"
LONGEST_NAME = 120
"""Letters of an arm's name: it is a folder's, too."""


@dataclass(frozen=True, slots=True)
class SweepFile:
    """What all arms have in common, and what they are to differ in; `name` is the file's, for messages."""

    name: str
    base: Mapping[str, Any]
    space: Space

    @classmethod
    def load(cls, given: str) -> SweepFile:
        """From a file, or one that comes along: `paper`, `quick`; raises ConfigError."""
        path = Path(given)
        own = OWN / f"{given}.toml"
        if not path.exists() and own.is_file():
            path = own
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                f"the sweep {given} cannot be read: {error.strerror}; give a TOML file, or paper, or quick."
            ) from error
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{given} cannot be read as TOML: {error}; mend it there.") from error
        space = table.pop("sweep", None)
        if not isinstance(space, Mapping):
            raise ConfigError(f"{given} has no table [sweep]; name in it the options to vary, each with a list.")
        return cls(given, table, parse_space(space))

    def arm(self, point: Point) -> Arm:
        """The training at a point; raises ConfigError for a section or an option that no configuration has.

        Options of the file hold for all points, also where a component is chosen by name there.
        """
        try:
            # Only what is asked for stands in the configuration: the rest is the generator's own to choose.
            config = resolve(flags=_merged(self.base, nested(point)))
        except InputError as error:
            raise type(error)(f"{self.name}, [sweep] at {point_text(point)}: {error}") from error
        return Arm(arm_name(point), config.model_dump(mode="json", exclude_unset=True), config.seed)


def point_text(point: Point) -> str:
    """`generator.name=fno, generator.width=32`."""
    return ", ".join(f"{name}={value}" for name, value in point.items())


def arm_name(point: Point) -> str:
    """A folder's name that is the same whenever the point is: `fno,modes=12,width=32` with `+` for the commas.

    The seed is left out, since runs of different seeds stand beside each other.
    """
    parts = []
    for name, value in point.items():
        last = name.rpartition(".")[2]
        if name != "seed":
            parts.append(f"{value}" if last == "name" else f"{last}={value}")
    name = re.sub(r"[^\w.+=-]", "-", "+".join(parts)) or "base"
    digest = sha256(repr(sorted(point.items(), key=str)).encode()).hexdigest()[:8]
    short = name.lstrip("-._+=")[:LONGEST_NAME]
    return short if short == "+".join(parts) else f"{short or 'point'}-{digest}"


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        base = merged.get(key)
        if key in COMPONENT_SECTIONS and isinstance(base, str) and isinstance(value, Mapping):
            base = {"name": base}
        both = isinstance(base, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(base, value) if both else value  # type: ignore[arg-type]
    return merged
