"""The extended ptychographic iterative engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from ptycho_iterative.sight import Sight, Steps
from ptycho_iterative.sweep import Sweep

Step = Annotated[float, Field(gt=0, le=2, description="length of the object's steps, alpha")]
ProbeStep = Annotated[float, Field(gt=0, le=2, description="length of the probe's steps, beta")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Epie(Sweep):
    """Extended PIE (Maiden and Rodenburg, Ultramicroscopy 109 (2009) 1256, eqs. 6 and 7).

    Steps along the gradient, as long as the brightest pixel allows. A batch of one is the published method. In a larger
    one the updates are summed, and the maxima are those of the summed intensities, so that no step becomes longer where
    patterns overlap.
    """

    name: ClassVar[str] = "epie"
    object_step: Step = 1.0
    probe_step: ProbeStep = 1.0

    def steps(self, sight: Sight, *, free_probe: bool) -> Steps:
        """Object by alpha sum P* chi / max sum |P|^2, probe by beta sum O* chi / max sum |O|^2, sums over the batch."""
        obj = self.object_step / sight.light.max() * sight.object_gradient
        if not free_probe:
            return Steps(obj)
        return Steps(obj, self.probe_step / sight.probe_weight.max() * sight.probe_gradient)
