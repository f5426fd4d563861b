"""Clipping element by element."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ptycho_agc.options import MAX_VALUE, MaxValue
from ptycho_agc.torch_clippers.norms import gradients, total_norm
from ptycho_host.contracts import ClipFunction, ClipReport


def value(*, max_value: MaxValue = MAX_VALUE) -> ClipFunction:
    """Bound every element of the gradients to ±`max_value`, complex ones in modulus with their phase kept.

    `clipped` is the fraction of elements. Infinite elements become finite here, but the report's norm, taken
    before, is infinite.
    """

    @torch.no_grad()
    def clip(parameters: Iterable[torch.Tensor]) -> ClipReport:
        found = gradients(parameters)
        if not found:
            return ClipReport(norm=0.0, clipped=0.0)
        length = total_norm(found)
        beyond = torch.stack([(gradient.abs() > max_value).sum() for gradient in found]).sum()
        for gradient in found:
            _bound(gradient, max_value)
        elements = sum(gradient.numel() for gradient in found)
        norm, fraction = torch.stack([length, (beyond / elements).to(length)]).tolist()
        return ClipReport(norm=norm, clipped=fraction)

    return clip


def _bound(gradient: torch.Tensor, max_value: float) -> None:
    if gradient.is_complex():
        gradient.mul_((max_value / gradient.abs()).clamp(max=1))
    else:
        gradient.clamp_(-max_value, max_value)
