"""Clipping by the norm of all gradients together, and none at all."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf

from ptycho_agc.options import MAX_NORM, MaxNorm
from ptycho_agc.tf_clippers.norms import report, scaled, total_norm, with_gradient
from ptycho_host.contracts import ClipFunction, ClipReport, TrainedParameter

SOFTENING = 1e-6
"""Added to the norm before the division, as torch.nn.utils.clip_grad_norm_ does."""


def norm(*, max_norm: MaxNorm = MAX_NORM) -> ClipFunction:
    """Scale all gradients by one factor so that their common L2 norm is at most `max_norm`.

    `clipped` is 1 when they were scaled, else 0. A norm that is not finite makes all gradients so, or zero, and is
    reported.
    """

    def clip(parameters: Iterable[TrainedParameter]) -> ClipReport:
        found = with_gradient(parameters)
        if not found:
            return ClipReport(norm=0.0, clipped=0.0)
        length = total_norm([parameter.grad for parameter in found])
        factor = tf.minimum(max_norm / (length + SOFTENING), 1)
        for parameter in found:
            parameter.grad = scaled(parameter.grad, factor)
        return report(length, tf.cast(length > max_norm, length.dtype))

    return clip


def none() -> ClipFunction:
    """Leave the gradients as they are; the report's `clipped` is 0."""
    return measure


def measure(parameters: Iterable[TrainedParameter]) -> ClipReport:
    """L2 norm of all gradients, which stay as they are."""
    found = with_gradient(parameters)
    if not found:
        return ClipReport(norm=0.0, clipped=0.0)
    length = total_norm([parameter.grad for parameter in found])
    return report(length, tf.zeros_like(length))
