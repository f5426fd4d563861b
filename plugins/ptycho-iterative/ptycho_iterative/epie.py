"""The extended ptychographic iterative engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

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

Step = Annotated[float, Field(gt=0, le=2, description="length of the object's steps, alpha")]
ProbeStep = Annotated[float, Field(gt=0, le=2, description="length of the probe's steps, beta")]


@dataclass(frozen=True, slots=True)
class Epie:
    """Steps along the gradient, as long as the brightest pixel allows (Maiden and Rodenburg, 2009)."""

    object_step: float
    probe_step: float

    def __call__(self, sight: Sight, *, free_probe: bool) -> Steps:
        """Object by alpha sum P* chi / max sum |P|^2, probe by beta sum O* chi / max sum |O|^2, sums over the batch."""
        obj = self.object_step / sight.light.max() * sight.object_gradient
        if not free_probe:
            return Steps(obj)
        return Steps(obj, self.probe_step / sight.probe_weight.max() * sight.probe_gradient)


def build(
    *,
    epochs: Epochs = 5,
    batch_size: BatchSize = 16,
    object_step: Step = 1.0,
    probe: Probe = "fixed",
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
    """Extended PIE (Maiden and Rodenburg, Ultramicroscopy 109 (2009) 1256, eqs. 6 and 7).

    A batch of one is the published method. In a larger one the updates are summed, and the maxima are those of the
    summed intensities, so that no step becomes longer where patterns overlap.
    """
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
    return Sweep("epie", Epie(object_step, probe_step), schedule)
