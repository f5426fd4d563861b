"""The networks of a study by name: how they are made narrow, what they learn from, which are not installed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ptycho_host import Host
from ptycho_host.config import resolve
from ptycho_host.errors import InputError, UnknownComponentError
from ptycho_studies.arms import Arm

LIBRARIES = {"torch": "torch", "tf": "tensorflow"}
"""Back-ends by their short names."""
SUPERVISED = {"baseline": "amplitude_phase"}
"""Networks that cannot learn without the truth, and the loss that they get unless another one is named."""
NARROW: dict[str, dict[str, Any]] = {
    "stable_hybrid": {"preset": "small"},
    "hybrid": {"width": 8, "modes": 8},
    "fno": {"width": 8, "modes": 8},
    "pinn": {"n_filters_scale": 0.5},
    "baseline": {"n_filters_scale": 0.5},
}
"""Options with which a network trains several times as fast, at some cost in quality."""


def network(name: str, *, narrow: bool) -> dict[str, Any]:
    """The table of the generator; `narrow` changes only the networks that it is known for."""
    return {"name": name, **(NARROW.get(name, {}) if narrow else {})}


def arm_of(name: str, table: Mapping[str, Any], settings: Iterable[str], seed: int) -> Arm:
    """An arm of the nested values in `table` with `KEY=VALUE` settings over them; raises ConfigError.

    Only what is asked for stands in its configuration: the rest is the generator's own to choose.
    """
    config = resolve(flags=table, settings=settings).model_dump(mode="json", exclude_unset=True)
    return Arm(name.replace("*", "x"), config, seed)


def installed(arms: Iterable[Arm], host: Host) -> tuple[list[Arm], list[str]]:
    """The arms that can be trained here, and a sentence for each whose distribution is known but missing.

    Raises InputError for an arm whose settings do not hold, and if there is none that can be trained.
    """
    kept: list[Arm] = []
    notes: list[str] = []
    for arm in arms:
        name = str(arm.config["generator"]["name"])
        try:
            host.named("generator", name)
        except UnknownComponentError:
            hint = host.catalogue.install_hint("generator", name)
            if not hint:
                raise
            notes.append(f"Arm {arm.label} was left out: generator '{name}' is not installed.{hint}")
        else:
            arm.planned(host)
            kept.append(arm)
    if not kept:
        raise InputError(f"there is nothing to train here. {' '.join(notes)}".strip())
    return kept, notes
