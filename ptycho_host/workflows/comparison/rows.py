"""Which reconstructions make one row of a comparison, and what the rows are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ptycho_host.config import COMPONENT_SECTIONS
from ptycho_host.report.page import flattened
from ptycho_host.workflows.comparison.sources import Source

WHERE_FROM = ("data.source", "data.test", "data.reader.", "data.limit", "simulator.")
"""Settings that say which scan was trained on. They make another row only when another scan was reconstructed."""
NEVER_SHOWN = ("generator.name", "engine.name")
"""The first begins the name, the second follows from the back-end."""
MOST_SHOWN = 4
"""Settings in a name; more would be read by nobody."""


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Sources of one row; `settings` are those of their runs, dotted name -> text, none for a file."""

    sources: tuple[Source, ...]
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The generator's name, or the file's."""
        return self.settings.get("generator.name") or Path(self.sources[0].given).name


def rows_of(sources: Sequence[Source]) -> dict[str, tuple[Source, ...]]:
    """Sources by the name of their row, in the order given.

    Runs that differ in nothing but the seed are one row. A row is called after its generator, with the settings in
    which the rows differ, or after its file; where that is not enough, the path tells.
    """
    groups = _grouped(sources)
    bases = [group.name + _details(group, groups) for group in groups]
    names, shared = bases, Counter(bases)
    for tell in (lambda path: path.name, str):
        if len(set(names)) < len(names):
            names = [
                f"{base} [{tell(Path(group.sources[0].given))}]" if shared[base] > 1 else base
                for base, group in zip(bases, groups, strict=True)
            ]
    return {name: group.sources for name, group in zip(names, groups, strict=True)}


def _grouped(sources: Iterable[Source]) -> list[_Group]:
    groups: dict[object, list[Source]] = {}
    for source in sources:
        settings = _settings(source)
        groups.setdefault(frozenset(settings.items()) if settings else source.given, []).append(source)
    found = []
    for members in groups.values():
        settings = _settings(members[0])
        seeds = {member.run.config.seed for member in members if member.run is not None}
        # The same run twice is no second seed: its spread would be none.
        parts = [tuple(members)] if len(seeds) == len(members) else [(member,) for member in members]
        found += [_Group(part, settings) for part in parts]
    return found


def _settings(source: Source) -> dict[str, str]:
    """All settings of a run that can make a difference, dotted name -> text."""
    if source.run is None:
        return {}
    config = source.run.config
    left_out = ("observers.", "data.test") if config.data.test is not None else ("observers.", *WHERE_FROM)
    return {key: text for key, text in flattened(config.as_table()) if key != "seed" and not key.startswith(left_out)}


def _details(group: _Group, groups: Sequence[_Group]) -> str:
    """` (poisson, agc, width=48)`: what tells the row from the other runs."""
    runs = [other for other in groups if other.settings]
    # How it was computed matters least to a reader.
    settings = sorted(group.settings.items(), key=lambda item: item[0].startswith("engine."))
    shown = [
        text if key.endswith(".name") or key == "backend" else f"{key.rpartition('.')[2]}={text}"
        for key, text in settings
        if key not in NEVER_SHOWN and len({other.settings.get(key) for other in _comparable(key, group, runs)}) > 1
    ]
    if len(shown) > MOST_SHOWN:
        shown = [*shown[:MOST_SHOWN], "…"]
    return f" ({', '.join(shown)})" if shown else ""


def _comparable(key: str, group: _Group, runs: Sequence[_Group]) -> list[_Group]:
    """The runs for which the setting means the same: an option is one of its component."""
    section = key.partition(".")[0]
    if section not in COMPONENT_SECTIONS or key.endswith(".name"):
        return list(runs)
    name = f"{section}.name"
    return [other for other in runs if other.settings.get(name) == group.settings.get(name)]
