"""A page for each kind of component: every one that our distributions register, with its options."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import groupby
from pathlib import Path

from writing import anchor, page, prose, table, verbatim

from ptycho_host.components import KINDS, Component
from ptycho_host.config import COMPONENT_SECTIONS, DataOptions
from ptycho_host.hookspecs import PROJECT
from ptycho_host.options import Option, OptionSchema
from ptycho_host.plugins import PLURALS, Host, Registration

FOLDER = Path("components")


def section_of(kind: str) -> str:
    """The configuration table that names a component of the kind; empty if none does."""
    places = [*COMPONENT_SECTIONS, *(f"data.{name}" for name in DataOptions.model_fields)]
    return next((place for place in places if kind.startswith(place.rpartition(".")[2])), "")


def plural(kind: str) -> str:
    """`losses`."""
    return PLURALS[kind].removeprefix(f"{PROJECT}_")


def component_pages(host: Host) -> dict[Path, str]:
    """The page of each kind; commands have one of their own."""
    return {FOLDER / f"{plural(kind)}.md": _kind_page(kind, host) for kind in KINDS if kind != "command"}


def _kind_page(kind: str, host: Host) -> str:
    twins = [list(group) for _, group in groupby(host.registrations(kind), lambda entry: entry.component.name)]
    hook = PLURALS[kind]
    rows = [
        (f"[`{name}`](#{anchor(name)})", _backends(entries), entries[0].distribution, entries[0].component.summary)
        for entries in twins
        for name in [entries[0].component.name]
    ]
    return page(
        f"# {plural(kind).capitalize()}",
        prose(KINDS[kind].__doc__ or ""),
        f"Yours register with [`{hook}`](../{Path('hooks') / hook}.md).",
        _how_to_choose(kind),
        table(("name", "back-end", "distribution", "what it is"), rows) or "*This project brings none.*",
        *(block for entries in twins for block in _component(entries)),
    )


def _how_to_choose(kind: str) -> str:
    section = section_of(kind)
    if not section:
        return ""
    return (
        f"In a configuration the table `[{section}]` holds `name` and the options; on the command line "
        f"`--set {section}.name=NAME` and `--set {section}.OPTION=VALUE` do the same."
    )


def _component(twins: Sequence[Registration]) -> list[str]:
    """The section of one name: what is the same on every back-end stands there once."""
    described = {entry: prose(inspect.getdoc(entry.load()) or "") for entry in twins}
    options = {entry: OptionSchema(entry.load(), entry.label).describe() for entry in twins}
    facts = [f"**{name}** {value}" for name, value in _facts(twins)]
    return [
        f"## {twins[0].component.name}",
        prose(twins[0].component.summary),
        "\n".join(f"- {fact}" for fact in facts),
        *_once_or_each(described, twins),
        *_once_or_each({entry: _option_table(options[entry]) for entry in twins}, twins),
    ]


def _once_or_each(texts: dict[Registration, str], twins: Sequence[Registration]) -> list[str]:
    if len(set(texts.values())) == 1:
        return [texts[twins[0]]]
    # Where one refers to the other, the long one is the one referred to.
    ordered = sorted(twins, key=lambda entry: -len(texts[entry]))
    return [block for entry in ordered for block in (f"*On {entry.component.backend}*:", texts[entry])]


def _facts(twins: Sequence[Registration]) -> list[tuple[str, str]]:
    component = twins[0].component
    own = {field.name for field in fields(component)} - {field.name for field in fields(Component)}
    said = {name: _value(value) for name in sorted(own) if (value := getattr(component, name)) not in ({}, None)}
    return [
        ("from", ", ".join(dict.fromkeys(verbatim(entry.distribution) for entry in twins))),
        ("back-end", _backends(twins)),
        *said.items(),
        ("factory", ", ".join(verbatim(entry.component.target) for entry in twins)),
    ]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(verbatim(f"{name} = {part}") for name, part in value.items())
    return " ".join(verbatim(part) for part in value) if isinstance(value, tuple) else str(value)


def _backends(twins: Sequence[Registration]) -> str:
    return ", ".join(entry.component.backend or "any" for entry in twins)


def _option_table(options: list[Option]) -> str:
    return option_table(options) or "It has no options."


def option_table(options: list[Option]) -> str:
    """Options as `ptycho plugins show` lists them; nothing if there are none."""
    rows = [
        (verbatim(option.name), option.type, verbatim(option.default), option.bounds, option.description)
        for option in options
    ]
    return table(("option", "type", "default", "bounds", "description"), rows)
