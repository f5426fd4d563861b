"""Clipping element by element."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf

from ptycho_agc.options import MAX_VALUE, MaxValue
from ptycho_agc.tf_clippers.norms import report, scaled, total_norm, with_gradient
from ptycho_host.contracts import ClipFunction, ClipReport, TrainedParameter


def value(*, max_value: MaxValue = MAX_VALUE) -> ClipFunction:
    """Bound every element of the gradients to ±`max_value`, complex ones in modulus with their phase kept.

    `clipped` is the fraction of elements. Infinite elements become finite here, but the report's norm, taken
    before, is infinite.
    """

    def clip(parameters: Iterable[TrainedParameter]) -> ClipReport:
        found = with_gradient(parameters)
        if not found:
            return ClipReport(norm=0.0, clipped=0.0)
        gradients = [parameter.grad for parameter in found]
        length = total_norm(gradients)
        beyond = tf.add_n([tf.math.count_nonzero(tf.abs(gradient) > max_value) for gradient in gradients])
        elements = sum(gradient.shape.num_elements() for gradient in gradients)
        for parameter in found:
            parameter.grad = _bounded(parameter.grad, max_value)
        return report(length, tf.cast(beyond, length.dtype) / elements)

    return clip


def _bounded(gradient: tf.Tensor, max_value: float) -> tf.Tensor:
    if gradient.dtype.is_complex:
        return scaled(gradient, tf.minimum(max_value / tf.abs(gradient), 1))
    return tf.clip_by_value(gradient, -max_value, max_value)
