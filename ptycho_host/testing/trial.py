"""What components are tried with: engines and their workbenches, and what stands beside them in a training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_host.components import Loss
from ptycho_host.config import ComponentChoice, TrainOptions
from ptycho_host.configured import ConfiguredComponent, configure
from ptycho_host.contracts import Bundle, TrainingComponents, TrainingProblem, WeightedLoss, Workbench
from ptycho_host.data.grouping import hold_out
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError
from ptycho_host.physics.intensity import IntensityScale
from ptycho_host.plugins import Host
from ptycho_host.records import EpochReport
from ptycho_host.report.progress import SilentProgress
from ptycho_host.resolution import configure_engine
from ptycho_host.testing.choices import values_of

USUAL = {"loss": "mae", "clipper": "norm", "stitcher": "synchronised"}
"""What stands beside the component under test, where it is installed."""


def engine_for(host: Host, component: ConfiguredComponent, **options: Any) -> ConfiguredComponent:
    """The engine of the component's back-end; fails the test when there is none."""
    backend = component.component.backend
    if backend is None:
        pytest.fail(f"{component.registration.label} names no back-end: its descriptor needs backend='torch' or such.")
    try:
        return configure_engine(host, ComponentChoice(options=options), backend)
    except InputError as error:
        pytest.fail(f"{component.registration.label} cannot be tested: {error}")


def workbench_for(host: Host, component: ConfiguredComponent, **options: Any) -> Workbench:
    """A workbench of the component's tensor library; raises InputError for a device that is not there."""
    bench: Workbench = engine_for(host, component, **options).build().workbench()
    return bench


def other_workbenches(host: Host, component: ConfiguredComponent, option: str) -> Iterator[tuple[str, Workbench]]:
    """Workbenches of the engine with each value of its `option`, as far as this machine has them."""
    for value in values_of(engine_for(host, component), option):
        try:
            yield value, workbench_for(host, component, **{option: value})
        except InputError:
            continue


def stand_in(host: Host, kind: str, backend: str | None) -> ConfiguredComponent:
    """An installed component of the kind that fits the back-end; skips the test when there is none."""
    fitting = [
        entry
        for entry in host.registrations(kind)
        if entry.component.backend in (None, backend)
        and not (isinstance(entry.component, Loss) and entry.component.supervised)
    ]
    if not fitting:
        pytest.skip(f"no {kind} for back-end '{backend}' is installed to train with")
    chosen = next((entry for entry in fitting if entry.component.name == USUAL.get(kind)), fitting[0])
    return configure(host, kind, f"{chosen.distribution}:{chosen.component.name}", {}, backend)


def small_problem(scan: Scan, *, seed: int = 0, **options: Any) -> TrainingProblem:
    """Two epochs over the scan unless `options` (of the section `train`) say otherwise; the same ones held out."""
    chosen = TrainOptions(**{"epochs": 2, "batch_size": 8, **options})
    training, held_out = hold_out(scan.positions, chosen.validation_fraction, np.random.default_rng(0))
    return TrainingProblem(scan, training, held_out, IntensityScale.of(scan), chosen, seed)


def with_usual(host: Host, generator: ConfiguredComponent) -> TrainingComponents:
    """The generator, a loss and a clipper of its back-end."""
    backend = generator.component.backend
    loss, clipper = (stand_in(host, kind, backend) for kind in ("loss", "clipper"))
    return TrainingComponents(generator, (WeightedLoss(loss.component.name, 1.0, loss.build()),), clipper.build())


@dataclass(frozen=True, slots=True)
class WatchedComponent(ConfiguredComponent):
    """A component that remembers what it built."""

    built: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, component: ConfiguredComponent) -> WatchedComponent:
        """The same component, watched."""
        return cls(component.registration, component.options, component.chosen)

    def build(self, *supplied: Any) -> Any:
        """As always; the result is remembered."""
        self.built.append(ConfiguredComponent.build(self, *supplied))
        return self.built[-1]


@dataclass
class QuietRun:
    """A run (`ptycho_host.contracts.RunContext`) that remembers its epochs; `stop_after` interrupts it after one."""

    checkpoints: Path
    resume: bool = False
    stop_after: int | None = None
    progress: SilentProgress = field(default_factory=SilentProgress)
    reports: list[EpochReport] = field(default_factory=list)

    def epoch_finished(self, report: EpochReport, bundle: Callable[[], Bundle] | None = None) -> None:
        """Remember; raises KeyboardInterrupt when it is time to stop."""
        self.reports.append(report)
        if report.epoch == self.stop_after:
            raise KeyboardInterrupt
