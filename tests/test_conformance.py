"""Every registered component of every installed distribution keeps the contract of its kind.

The test classes are made from the registrations: who registers a component is tested. `SPECIFIC` holds only what makes
the tests quick, or what a suite cannot know.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from ptycho_host import Host, hookspecs
from ptycho_host.components import KINDS
from ptycho_host.plugins import PLURALS, Registration
from ptycho_host.testing import (
    ClipperConformance,
    CommandConformance,
    DatasetConformance,
    EngineConformance,
    GeneratorConformance,
    LossConformance,
    NetworkConformance,
    ObserverConformance,
    ReaderConformance,
    RefinerConformance,
    SimulatorConformance,
    StitcherConformance,
    WriterConformance,
)
from ptycho_host.testing.suite import ComponentConformance

HOST = Host.discover()

SUITES: dict[str, type[ComponentConformance]] = {
    suite.kind: suite
    for suite in (
        ClipperConformance,
        CommandConformance,
        DatasetConformance,
        EngineConformance,
        GeneratorConformance,
        LossConformance,
        NetworkConformance,
        ReaderConformance,
        RefinerConformance,
        SimulatorConformance,
        StitcherConformance,
        WriterConformance,
    )
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "simulator": {"options": {"size": 48, "pixels": 16, "photons": 1e6, "scan": {"step": 8.0}}},
    "writer": {"keeps": ("truth", "geometry", "metadata")},
}
NARROW: dict[str, Any] = {"options": {"width": 6, "modes": 4}}
SMALL_FILTERS: dict[str, Any] = {"n_filters_scale": 0.25}
# Libraries that are not ours warn of what is theirs.
LENIENT = pytest.mark.filterwarnings("default")
SPECIFIC: dict[tuple[str, str], dict[str, Any]] = {
    ("engine", "fabric"): {"generator": "stable_hybrid", "generator_options": {"width": 6}},
    ("engine", "keras"): {"generator": "pinn", "generator_options": SMALL_FILTERS},
    ("generator", "baseline"): {"options": SMALL_FILTERS},
    ("generator", "ffno"): NARROW,
    ("generator", "fno"): NARROW,
    ("generator", "fno_vanilla"): NARROW,
    ("generator", "hybrid"): NARROW,
    ("generator", "hybrid_resnet"): {"options": {"width": 6, "modes": 4, "residual_blocks": 2}},
    ("generator", "pinn"): {"options": SMALL_FILTERS},
    ("generator", "stable_hybrid"): NARROW,
    ("refiner", "ptychi"): {
        "pytestmark": [pytest.mark.skipif(not find_spec("ptychi"), reason="needs pty-chi"), LENIENT]
    },
    ("generator", "uno"): NARROW,
    ("generator", "unrolled"): NARROW,
    ("generator", "unrolled_scan"): {"options": {"width": 6, "levels": 2, "iterations": 4, "tracked": 2}},
}


@pytest.fixture(scope="session")
def host() -> Host:
    return HOST


def _test_class(entry: Registration) -> type:
    component = entry.component
    specific = DEFAULTS.get(component.kind, {}) | SPECIFIC.get((component.kind, component.name), {})
    # TensorFlow compiles for seconds what takes milliseconds to run.
    marks = [pytest.mark.slow] if component.backend == "tensorflow" else []
    names = {"name": f"{entry.distribution}:{component.name}", "backend": component.backend, "pytestmark": marks}
    return type(_class_name(entry), (SUITES[component.kind],), names | specific)


def _class_name(entry: Registration) -> str:
    component = entry.component
    words = f"{component.kind} {component.name} {component.backend or ''} {entry.distribution}"
    return "Test" + "".join(word.title() for word in words.replace("-", " ").replace("_", " ").split())


def _observers() -> dict[str, type]:
    """A test class for each plugin that observes runs."""
    hooks = [name for name in vars(hookspecs) if name.startswith("ptycho_") and name not in PLURALS.values()]
    modules = [
        plugin.candidate.module for plugin in HOST.plugins if any(hasattr(plugin.content, name) for name in hooks)
    ]
    return {
        "TestObserver" + module.title().replace(".", "").replace("_", ""): type(
            "TestObserver", (ObserverConformance,), {"plugin": module}
        )
        for module in modules
    }


OBSERVERS = _observers()
globals().update(OBSERVERS)
globals().update({_class_name(entry): _test_class(entry) for entry in HOST.registrations()})


def test_every_kind_has_a_suite() -> None:
    assert SUITES.keys() == KINDS.keys() == PLURALS.keys()


def test_every_registration_is_tested_under_a_name_of_its_own() -> None:
    made = {name for name in globals() if name.startswith("Test")}
    expected = {_class_name(entry) for entry in HOST.registrations()}
    assert len(expected) == len(HOST.registrations())
    assert made == expected | OBSERVERS.keys()


def test_the_table_names_registered_components_only() -> None:
    assert SPECIFIC.keys() <= {(entry.component.kind, entry.component.name) for entry in HOST.registrations()}
