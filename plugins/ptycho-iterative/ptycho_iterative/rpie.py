"""The regularised ptychographic iterative engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from ptycho_iterative.sight import Sight, Steps
from ptycho_iterative.sweep import Sweep

Regularisation = Annotated[
    float, Field(gt=0, le=1, description="alpha: 1 gives the steps of epie, less gives longer ones in weak light")
]
ProbeRegularisation = Annotated[float, Field(gt=0, le=1, description="the same for the probe, beta")]
Step = Annotated[float, Field(gt=0, le=2, description="factor on the object's steps")]
ProbeStep = Annotated[float, Field(gt=0, le=2, description="factor on the probe's steps")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpie(Sweep):
    """Regularised PIE (Maiden, Johnson and Li, Optica 4 (2017) 736, section 2).

    Steps as long as the light on each pixel allows, less where it is weak. A batch of one is the published method. In a
    larger one the updates and the intensities are summed where the patches overlap, so that a pixel lit by several
    patterns goes to the mean of what they ask for.
    """

    name: ClassVar[str] = "rpie"
    regularisation: Regularisation = 0.1
    object_step: Step = 1.0
    probe_regularisation: ProbeRegularisation = 0.5
    probe_step: ProbeStep = 1.0

    def steps(self, sight: Sight, *, free_probe: bool) -> Steps:
        """Object by sum P* chi / ((1 - alpha) L + alpha max L), L = sum |P|^2, probe alike."""
        obj = self.object_step * sight.object_gradient / _regularised(sight.light, self.regularisation)
        if not free_probe:
            return Steps(obj)
        weight = _regularised(sight.probe_weight, self.probe_regularisation)
        return Steps(obj, self.probe_step * sight.probe_gradient / weight)


def _regularised(weight: Tensor, regularisation: float) -> Tensor:
    return (1 - regularisation) * weight + regularisation * weight.max()
