"""The regularised ptychographic iterative engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor

from ptycho_host.contracts import RefineFunction
from ptycho_iterative.options import (
    BatchSize,
    Device,
    Epochs,
    LastStep,
    Modes,
    Momentum,
    Positions,
    PositionStart,
    Probe,
    ProbeStart,
    Seed,
    Threads,
)
from ptycho_iterative.sight import Sight, Steps
from ptycho_iterative.sweep import Schedule, Sweep

Regularisation = Annotated[
    float, Field(gt=0, le=1, description="alpha: 1 gives the steps of epie, less gives longer ones in weak light")
]
ProbeRegularisation = Annotated[float, Field(gt=0, le=1, description="the same for the probe, beta")]
Step = Annotated[float, Field(gt=0, le=2, description="factor on the object's steps")]
ProbeStep = Annotated[float, Field(gt=0, le=2, description="factor on the probe's steps")]


@dataclass(frozen=True, slots=True)
class Rpie:
    """Steps as long as the light on each pixel allows, less where it is weak (Maiden, Johnson and Li, 2017)."""

    regularisation: float
    object_step: float
    probe_regularisation: float
    probe_step: float

    def __call__(self, sight: Sight, *, free_probe: bool) -> Steps:
        """Object by sum P* chi / ((1 - alpha) L + alpha max L), L = sum |P|^2, probe alike."""
        obj = self.object_step * sight.object_gradient / _regularised(sight.light, self.regularisation)
        if not free_probe:
            return Steps(obj)
        weight = _regularised(sight.probe_weight, self.probe_regularisation)
        return Steps(obj, self.probe_step * sight.probe_gradient / weight)


def build(
    *,
    epochs: Epochs = 5,
    batch_size: BatchSize = 16,
    regularisation: Regularisation = 0.1,
    object_step: Step = 1.0,
    probe: Probe = "fixed",
    probe_regularisation: ProbeRegularisation = 0.5,
    probe_step: ProbeStep = 1.0,
    probe_start: ProbeStart = 1,
    modes: Modes = 1,
    positions: Positions = "fixed",
    position_start: PositionStart = 1,
    last_step: LastStep = 0.2,
    momentum: Momentum = 0.9,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = None,
) -> RefineFunction:
    """Regularised PIE (Maiden, Johnson and Li, Optica 4 (2017) 736, section 2).

    A batch of one is the published method. In a larger one the updates and the intensities are summed where the
    patches overlap, so that a pixel lit by several patterns goes to the mean of what they ask for.
    """
    rule = Rpie(regularisation, object_step, probe_regularisation, probe_step)
    schedule = Schedule(
        epochs,
        batch_size,
        probe == "free",
        probe_start,
        last_step,
        momentum,
        seed,
        device,
        threads,
        modes,
        positions == "free",
        position_start,
    )
    return Sweep("rpie", rule, schedule)


def _regularised(weight: Tensor, regularisation: float) -> Tensor:
    return (1 - regularisation) * weight + regularisation * weight.max()
