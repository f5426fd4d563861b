"""Least-squares maximum likelihood: the length of each step from a fit to its own pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ptycho_iterative.least_squares import fitted, fitted_together
from ptycho_iterative.sight import Sight, Steps
from ptycho_iterative.sweep import Sweep

Damping = Annotated[
    float, Field(gt=0, le=1, description="part of the brightest light that is added to all of it, against noise")
]
Relaxation = Annotated[float, Field(gt=0, le=1.5, description="factor on the object's fitted steps")]
ProbeRelaxation = Annotated[float, Field(gt=0, le=1.5, description="factor on the probe's fitted steps")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LsqMl(Sweep):
    """Least-squares step lengths (Odstrčil, Menzel and Guizar-Sicairos, Opt. Express 26 (2018) 3108), mini-batched.

    Directions are common to the batch; each pattern says how far it wants to go along them. Amplitudes are the quantity
    that is fitted; all modes of the probe share one length of step.
    """

    name: ClassVar[str] = "lsq_ml"
    damping: Damping = 0.1
    object_step: Relaxation = 1.0
    probe_step: ProbeRelaxation = 1.0

    def steps(self, sight: Sight, *, free_probe: bool) -> Steps:
        """Directions dO = sum P* chi / sum |P|^2, dP = sum O* chi / sum |O|^2, both damped; steps by least squares.

        Pattern k minimises |chi_k - a_k dO_k P - b_k dP O_k|^2; the object's step is the mean of the a_k weighted
        with |P|^2 at each pixel, the probe's that of the b_k.
        """
        windows, probe, patches, difference = sight.windows, sight.probe, sight.patches, sight.difference
        intensity, light = sight.intensity, sight.light
        light = light + self.damping * light.max()
        direction = sight.object_gradient / light
        by_object = probe * windows.cut(direction)[:, None]
        if not free_probe:
            lengths = fitted(difference, by_object)
            return Steps(self.object_step * windows.merge(_each(lengths) * intensity) / light * direction)
        weight = sight.probe_weight
        probe_direction = sight.probe_gradient / (weight + self.damping * weight.max())
        by_probe = probe_direction * patches[:, None]
        lengths, probe_lengths = fitted_together(difference, by_object, by_probe)
        return Steps(
            self.object_step * windows.merge(_each(lengths) * intensity) / light * direction,
            self.probe_step * probe_lengths.mean().to(intensity.dtype) * probe_direction,
        )


def _each(factors: Tensor) -> Tensor:
    """Factors (B,) as (B, 1, 1), in single precision."""
    return factors.to(torch.float32)[:, None, None]
