"""Clipping by the norm of all gradients together, and none at all."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ptycho_agc.options import MAX_NORM, MaxNorm
from ptycho_agc.torch_clippers.norms import gradients, total_norm
from ptycho_host.contracts import ClipFunction, ClipReport


def norm(*, max_norm: MaxNorm = MAX_NORM) -> ClipFunction:
    """Scale all gradients by one factor so that their common L2 norm is at most `max_norm`.

    `clipped` is 1 when they were scaled, else 0. A norm that is not finite makes all gradients so, or zero, and is
    reported.
    """

    def clip(parameters: Iterable[torch.Tensor]) -> ClipReport:
        length = float(torch.nn.utils.clip_grad_norm_(list(parameters), max_norm))
        return ClipReport(norm=length, clipped=float(length > max_norm))

    return clip


def none() -> ClipFunction:
    """Leave the gradients as they are; the report's `clipped` is 0."""
    return measure


@torch.no_grad()
def measure(parameters: Iterable[torch.Tensor]) -> ClipReport:
    """L2 norm of all gradients, which stay as they are."""
    return ClipReport(norm=float(total_norm(gradients(parameters))), clipped=0.0)
