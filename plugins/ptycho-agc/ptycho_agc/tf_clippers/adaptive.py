"""Adaptive gradient clipping."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf

from ptycho_agc.options import CLIPPING, EPS, UNIT, Clipping, Eps, Unit
from ptycho_agc.tf_clippers.norms import report, scaled, tensor_norm, unit_norms, with_gradient
from ptycho_host.contracts import ClipFunction, ClipReport, TrainedParameter


def agc(*, clipping: Clipping = CLIPPING, eps: Eps = EPS, unit: Unit = UNIT) -> ClipFunction:
    """Scale a unit's gradient G down to norm `clipping` max(norm(W), `eps`) where it is longer, W its weights.

    A unit is a slice along the last dimension, where Keras stores the output channel of a convolution (H, W, in, out)
    or dense layer (in, out), and the input channel of a transposed convolution (H, W, out, in): the same weights as
    the slice along dimension 0 of PyTorch's layouts, so that one network is clipped alike on both. Vectors and
    scalars are one unit. Weights of one's own should store the output unit last.

    All else, the source included, is said at `ptycho_agc.torch_clippers.adaptive.agc`.
    """
    norms_of = unit_norms if unit == "unit" else tensor_norm

    def clip(parameters: Iterable[TrainedParameter]) -> ClipReport:
        found = with_gradient(parameters)
        if not found:
            return ClipReport(norm=0.0, clipped=0.0)
        lengths = [norms_of(parameter.grad) for parameter in found]
        length = tf.concat(lengths, axis=0)
        allowed = clipping * tf.maximum(tf.concat([norms_of(parameter.data) for parameter in found], axis=0), eps)
        factors = tf.split(tf.minimum(allowed / length, 1), [units.shape[0] for units in lengths])
        for parameter, factor in zip(found, factors, strict=True):
            # (units,) against (…, units); one factor alone fits every shape.
            parameter.grad = scaled(parameter.grad, factor if factor.shape[0] > 1 else factor[0])
        return report(tensor_norm(length)[0], tf.reduce_mean(tf.cast(length > allowed, length.dtype)))

    return clip
