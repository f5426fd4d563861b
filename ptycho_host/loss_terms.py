"""Weighted sums of losses, as users write them: `mae+0.1*tv`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ptycho_host.config import ComponentChoice
from ptycho_host.errors import ConfigError

_TERM = re.compile(r"(?:(?P<weight>[0-9.]+(?:[eE][+-]?[0-9]+)?)\s*\*\s*)?(?P<name>[A-Za-z][\w:-]*)")


def parse_terms(text: str) -> tuple[tuple[float, str], ...]:
    """Weights and names of a sum; raises ConfigError for anything else.

    `poisson` -> ((1.0, "poisson"),), `mae+0.1*tv` -> ((1.0, "mae"), (0.1, "tv")).
    """
    # A sign inside an exponent (1e+3) is not a sum.
    parts = re.split(r"(?<![0-9][eE])\+", text)
    terms = []
    for part in parts:
        match = _TERM.fullmatch(part.strip())
        try:
            weight = float(match["weight"] or 1) if match else -1.0
        except ValueError:
            weight = -1.0
        if match is None or not 0 < weight < float("inf"):
            raise ConfigError(f"loss '{text}': '{part.strip()}' is not a term; write a sum such as mae+0.1*tv.")
        terms.append((weight, match["name"]))
    names = [name for _, name in terms]
    if len(set(names)) < len(names):
        raise ConfigError(f"loss '{text}' names a term twice; add up its weights.")
    return tuple(terms)


def term_options(choice: ComponentChoice) -> dict[str, Mapping[str, Any]]:
    """Options of each term: beside the name for a single loss, in `[loss.<term>]` tables for a sum."""
    names = [name for _, name in parse_terms(choice.name)]
    if len(names) == 1 and not isinstance(choice.options.get(names[0]), Mapping):
        return {names[0]: choice.options}
    for key, value in choice.options.items():
        if key not in names:
            raise ConfigError(f"loss '{choice.name}': write option '{key}' as loss.{names[0]}.{key}, after its term.")
        if not isinstance(value, Mapping):
            raise ConfigError(f"loss '{choice.name}': '{key}' is a term; write its options as loss.{key}.OPTION.")
    return {name: choice.options.get(name, {}) for name in names}
