"""The points of a sweep: every combination of the listed values, or some drawn at random."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from ptycho_host.errors import ConfigError
from ptycho_host.options import describe_problems

Point: TypeAlias = Mapping[str, Any]
"""One combination: dotted name of an option -> its value."""

MOST_DRAWS = 1000
"""Random draws for each point that is asked for: nearly all combinations of a small space still come up."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Listed values."""

    values: tuple[Any, ...]

    @property
    def size(self) -> float:
        """How many values there are."""
        return len(self.values)

    def draw(self, rng: np.random.Generator) -> Any:
        """One of them, all equally likely."""
        return self.values[int(rng.integers(len(self.values)))]

    def for_grid(self, name: str) -> tuple[Any, ...]:
        """All of them."""
        return self.values


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PydanticCustomError("number", "it should be a finite number")
    return value


Number: TypeAlias = Annotated[int | float, PlainValidator(_number)]
"""A whole number stays one: it says that all values are to be whole."""


class Range(BaseModel):
    """Numbers from `low` to `high`, both included; whole numbers where both bounds are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: Number
    high: Number
    count: Annotated[int | None, Field(ge=2)] = None
    spacing: Literal["linear", "log"] = "linear"

    @field_validator("high")
    @classmethod
    def _above(cls, high: int | float, info: ValidationInfo) -> int | float:
        if not info.data.get("low", -math.inf) < high:
            raise PydanticCustomError("above", "it should be above low")
        return high

    @field_validator("spacing")
    @classmethod
    def _possible(cls, spacing: str, info: ValidationInfo) -> str:
        if spacing == "log" and info.data.get("low", 1) <= 0:
            raise PydanticCustomError("positive", "it needs a low above 0")
        return spacing

    @property
    def whole(self) -> bool:
        """Whether the values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def size(self) -> float:
        """How many values there are; infinity for real numbers."""
        return self.high - self.low + 1 if self.whole else math.inf

    def draw(self, rng: np.random.Generator) -> Any:
        """A number from a uniform distribution over the range, or over its logarithm."""
        if self.whole and self.spacing == "linear":
            return int(rng.integers(int(self.low), int(self.high), endpoint=True))
        if self.spacing == "log":
            return self._value(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))
        return self._value(rng.uniform(self.low, self.high))

    def for_grid(self, name: str) -> tuple[Any, ...]:
        """`count` evenly spaced numbers, equal ones once; raises ConfigError without a count."""
        if self.count is None:
            raise ConfigError(f"the range of '{name}' needs a count to become part of a grid; add it, or use --random.")
        spaced = np.geomspace if self.spacing == "log" else np.linspace
        return tuple(dict.fromkeys(self._value(value) for value in spaced(self.low, self.high, self.count).tolist()))

    def _value(self, number: float) -> int | float:
        kept = min(max(number, self.low), self.high)
        return round(kept) if self.whole else kept


Space: TypeAlias = Mapping[str, Choices | Range]
"""Dotted name of an option -> the values that it may take."""


def parse_space(table: Mapping[str, Any]) -> Space:
    """The table `[sweep]`: dotted names, quoted or as nested tables, each with a list or a range.

    A range is a table of `low`, `high` and, if need be, `count` and `spacing`. Raises ConfigError.
    """
    space: dict[str, Choices | Range] = {}
    for name, value in _leaves(table):
        if name in space:
            raise ConfigError(f"[sweep] names '{name}' twice; keep one of the two.")
        space[name] = _axis(name, value)
    if not space:
        raise ConfigError('[sweep] is empty; name options in it, such as "generator.width" = [32, 48].')
    return space


def grid(space: Space) -> list[Point]:
    """All combinations, the last option changing fastest; raises ConfigError for a range without a count."""
    values = [axis.for_grid(name) for name, axis in space.items()]
    return [dict(zip(space, combination, strict=True)) for combination in product(*values)]


def sample(space: Space, count: int, seed: int) -> list[Point]:
    """`count` distinct combinations drawn from `seed`, each option by itself; raises ConfigError for too many."""
    if count > (most := math.prod(axis.size for axis in space.values())):
        raise ConfigError(f"[sweep] has {most:.0f} combinations, fewer than the {count} asked for; leave out --random.")
    rng = np.random.default_rng(seed)
    drawn: dict[str, Point] = {}
    for _ in range(MOST_DRAWS * count):
        point = {name: axis.draw(rng) for name, axis in space.items()}
        drawn.setdefault(repr(point), point)
        if len(drawn) == count:
            return list(drawn.values())
    raise ConfigError(f"{count} distinct combinations were not found at random; ask for fewer, or leave out --random.")


def nested(point: Point) -> dict[str, Any]:
    """The point as a table of tables, such as a configuration is."""
    table: dict[str, Any] = {}
    for name, value in point.items():
        *sections, last = name.split(".")
        inner = table
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[last] = value
    return table


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and not {"low", "high"} & set(value):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _axis(name: str, value: Any) -> Choices | Range:
    if isinstance(value, list):
        if not value:
            raise ConfigError(f"[sweep] has no value for '{name}'; list at least one.")
        return Choices(tuple(value))
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"[sweep] needs a list or a range for '{name}', not {value!r}; write ['{name}'] = [{value!r}]."
        )
    try:
        return Range.model_validate(dict(value))
    except ValidationError as error:
        problems = describe_problems(error, list(Range.model_fields), f"the range of '{name}' in [sweep]")
        raise ConfigError(problems) from error
