"""The run configuration: what a TOML file, flags and `--set` say, checked, complete and frozen.

Values resolve in this order: defaults < TOML < flags < `--set`. The options of the components themselves are not
known here; they are kept as plain values and validated by each component's own schema (`ptycho_host.options`).
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field, ValidationError, model_validator

from ptycho_host.errors import ConfigError, close_match_hint, quoted
from ptycho_host.options import describe_problems

Seed = Annotated[int, Field(ge=0, lt=2**32)]


PATTERNS_SHOWN = 10_000
"""Patterns that training shows a network unless told otherwise: small scans are seen more often than large ones."""
MOST_EPOCHS = 200
"""The most passes over a very small scan unless told otherwise."""
CACHE = 2**29
"""Bytes of patterns that are kept in memory, once they were read, unless told otherwise."""
MOST_NEIGHBOURS = 64
"""The most neighbours to draw groups from: with more, their combinations could not be numbered in 64 bits."""


class Section(BaseModel):
    """A frozen table of the configuration; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ComponentChoice(Section):
    """A component by name and its options: in TOML the options stand beside `name`.

    Only the engine may go without a name: the one of the back-end is taken.
    """

    name: str = Field("", description="component, as `ptycho plugins list` names it, or distribution:name")
    options: Mapping[str, Any] = Field(default_factory=dict, description="options of the component")

    @model_validator(mode="before")
    @classmethod
    def _options_beside_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Mapping) and not (set(value) <= {"name", "options"}):
            beside = {key: item for key, item in value.items() if key not in ("name", "options")}
            nested = value.get("options", {})
            if not isinstance(nested, Mapping):
                raise ValueError("'options' must be a table of options")
            return {"name": value.get("name", ""), "options": {**nested, **beside}}
        return value

    def as_table(self) -> dict[str, Any]:
        """The TOML table: `name` with the options beside it."""
        return {**({"name": self.name} if self.name else {}), **self.options}


class DataOptions(Section):
    """Where the patterns come from and which of them are used."""

    source: str | None = Field(None, description="file or named data set to train on; none simulates")
    probe_from: str | None = Field(
        None, description="file or named data set whose probe simulators take, with its dose, instead of their own"
    )
    test: str | None = Field(None, description="file or named data set to reconstruct instead of the training scan")
    reader: ComponentChoice | None = Field(None, description="reader to use; default: by suffix and content")
    gridsize: int = Field(
        1, ge=1, le=8, description="g: the generator sees groups of g x g neighbouring patterns as channels"
    )
    limit: int | None = Field(None, ge=1, description="use only this many patterns, evenly spread over the file")
    n_subsample: int | None = Field(
        None, ge=1, description="train on only this many patterns, drawn at random; all are reconstructed"
    )
    subsample_seed: Seed | None = Field(None, description="seed of that draw; none: the run's seed")
    cache: ByteSize = Field(
        ByteSize(CACHE), ge=0, description="memory for patterns that were read, such as '2 GiB'; others are read again"
    )


class TrainOptions(Section):
    """The schedule of training, the same for every back-end."""

    epochs: int | None = Field(
        None,
        ge=1,
        description="passes over the training patterns; none: until 10,000 were shown, or time is up",
    )
    batch_size: int = Field(16, ge=1, description="patterns a step and device")
    learning_rate: float = Field(2e-3, gt=0, description="peak learning rate")
    optimiser: Literal["adam", "adamw", "sgd"] = Field("adamw", description="rule of the update; sgd with momentum 0.9")
    weight_decay: float = Field(1e-4, ge=0, description="decoupled decay of the weights (adamw, sgd)")
    scheduler: Literal["constant", "exponential", "warmup_cosine", "plateau"] = Field(
        "warmup_cosine", description="how the learning rate changes with time"
    )
    decay: float = Field(0.95, gt=0, le=1, description="factor an epoch of the exponential scheduler")
    warmup: float = Field(0.05, ge=0, lt=1, description="fraction of the steps in which warmup_cosine rises")
    floor: float = Field(0.02, ge=0, le=1, description="last learning rate of warmup_cosine and plateau, over the peak")
    accumulate: int = Field(1, ge=1, description="batches whose gradients are summed before a step")
    validation_fraction: float = Field(
        0.05, ge=0, lt=1, description="fraction of the patterns held out, a connected part of the scan"
    )
    group_size: int = Field(4, ge=1, description="neighbouring patterns merged for the consistency term; 1: none")
    group_spacing: float = Field(0.4, gt=0, le=1, description="distance inside a group, in probe diameters")
    grouping: Literal["lattice", "nearest"] = Field(
        "lattice", description="companions a group_spacing away, or drawn from the nearest patterns"
    )
    n_groups: int | None = Field(
        None, ge=1, description="groups to draw an epoch; none: as many as hold each pattern once"
    )
    neighbour_count: int | None = Field(
        None,
        ge=1,
        le=MOST_NEIGHBOURS,
        description="nearest patterns that grouping 'nearest' draws companions from; none: as many as a group has",
    )
    neighbour_pool_size: int | None = Field(
        None, ge=1, le=MOST_NEIGHBOURS, description="the same when oversampling; none: neighbour_count"
    )
    enable_oversampling: bool = Field(
        False, description="allow n_groups above the number of patterns; all are distinct combinations"
    )
    group_weight: float = Field(1.0, ge=0, description="weight of the consistency term")
    pattern_weight: float = Field(0.3, ge=0, description="weight of the single-pattern term when groups are used")
    time_limit: float | None = Field(None, gt=0, description="seconds after which training ends, schedule included")
    checkpoint_interval: float = Field(
        10.0, ge=0, description="least seconds between two checkpoints; 0 writes one after every epoch"
    )
    patience: int | None = Field(None, ge=1, description="epochs without improvement before training stops early")
    on_collapse: Literal["warn", "restart"] = Field(
        "warn", description="what to do when all predictions become equal: say so, or go back and halve the rate"
    )

    def epochs_for(self, patterns: int) -> int | None:
        """How many epochs that many training patterns get; None when only the time limit ends training."""
        if self.epochs is not None or self.time_limit is not None:
            return self.epochs
        return min(math.ceil(PATTERNS_SHOWN / patterns), MOST_EPOCHS)


class RunConfig(Section):
    """All that a run depends on, apart from the versions of what is installed."""

    backend: str | None = Field(None, description="tensor library; none: the one that fits all components")
    seed: Seed = Field(0, description="seed of every random draw")
    data: DataOptions = DataOptions()
    simulator: ComponentChoice = ComponentChoice(name="lines")
    generator: ComponentChoice = ComponentChoice(name="unrolled")
    loss: ComponentChoice = ComponentChoice(name="mae")
    clip: ComponentChoice = ComponentChoice(name="norm")
    stitch: ComponentChoice = ComponentChoice(name="synchronised")
    refiner: ComponentChoice | None = None
    engine: ComponentChoice | None = None
    train: TrainOptions = TrainOptions()
    observers: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict, description="settings of observers")

    def as_toml(self) -> str:
        """The configuration as TOML text that `resolve` reads back to the same configuration."""
        import tomli_w

        return tomli_w.dumps(self.as_table())

    def as_table(self) -> dict[str, Any]:
        """Nested plain values; components as tables with their options beside the name, None left out."""
        table: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, ComponentChoice):
                table[name] = value.as_table()
            elif isinstance(value, BaseModel):
                table[name] = value.model_dump(mode="json", exclude_none=True)
            elif value not in (None, {}):
                table[name] = value
        if self.data.reader is not None:
            table["data"]["reader"] = self.data.reader.as_table()
        return table


COMPONENT_SECTIONS = ("simulator", "generator", "loss", "clip", "stitch", "refiner", "engine")
"""Sections that name a component; their other keys are its options."""


def resolve(
    toml: Path | None = None, flags: Mapping[str, Any] | None = None, settings: Iterable[str] = ()
) -> RunConfig:
    """The configuration from a TOML file, flags (nested tables) and `KEY=VALUE` settings, later ones winning.

    Raises ConfigError that names the key, what is wrong and what would be accepted.
    """
    try:
        return _resolved(toml, flags or {}, settings)
    except RecursionError as error:
        raise ConfigError(f"{toml or 'a setting'} has values inside values without end; mend it there.") from error


def _resolved(toml: Path | None, flags: Mapping[str, Any], settings: Iterable[str]) -> RunConfig:
    table = {name: value for name, value in RunConfig().as_table().items() if name in COMPONENT_SECTIONS}
    layers: list[Mapping[str, Any]] = [_read_toml(toml)] if toml is not None else []
    layers.append(flags)
    layers.extend(_parse_setting(setting) for setting in settings)
    for layer in layers:
        table = _overlaid(table, layer)
    return from_table(table)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between two tables, one `train.epochs: 10 -> 20` a setting; – stands for a setting left out."""
    found: list[str] = []
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found.extend(f"{key}.{change}" for change in changes(old, new))
        elif old != new:
            found.append(f"{key}: {'–' if old is None else old} -> {'–' if new is None else new}")
    return found


def from_table(table: Mapping[str, Any]) -> RunConfig:
    """The configuration of plain nested values; raises ConfigError."""
    try:
        return RunConfig.model_validate(dict(table))
    except ValidationError as error:
        sections = RunConfig.model_fields
        inside = {name: getattr(section.annotation, "model_fields", {}) for name, section in sections.items()}
        known = [*sections, *(f"{section}.{name}" for section, names in inside.items() for name in names)]
        raise ConfigError(describe_problems(error, known, "the run configuration")) from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError as error:
        raise ConfigError(f"there is no configuration file {path}; check the path.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; give the path of a TOML file.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}; mend it there.") from error


def _parse_setting(setting: str) -> dict[str, Any]:
    key, separator, text = setting.partition("=")
    parts = key.strip().split(".")
    if not separator or not all(parts):
        raise ConfigError(f"--set takes KEY=VALUE such as generator.width=48, not '{setting}'.")
    if parts[0] not in RunConfig.model_fields:
        known = list(RunConfig.model_fields)
        hint = close_match_hint(parts[0], known)
        raise ConfigError(f"--set {setting}: there is no section '{parts[0]}'.{hint} Sections: {quoted(known)}.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        # A bare word is a string: nobody wants to quote twice in a shell.
        value = text.strip()
    nested: Any = value
    for part in reversed(parts[1:]):
        nested = {part: nested}
    return {parts[0]: nested}


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`; naming another component forgets the options of the one below."""
    merged = dict(below)
    for key, value in above.items():
        if value is None:
            continue
        if key in COMPONENT_SECTIONS and isinstance(value, str):
            value = {"name": value}
        base = merged.get(key)
        if isinstance(value, Mapping) and isinstance(base, Mapping):
            renamed = key in COMPONENT_SECTIONS and value.get("name", base.get("name")) != base.get("name")
            merged[key] = _overlaid({} if renamed else base, value)
        else:
            merged[key] = _given(value)
    return merged


def _given(value: Any) -> Any:
    """A value, or a table without what was left open, at any depth."""
    if not isinstance(value, Mapping):
        return value
    return {key: _given(item) for key, item in value.items() if item is not None}
