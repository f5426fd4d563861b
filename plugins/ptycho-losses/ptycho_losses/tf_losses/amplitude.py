"""Losses on far-field amplitudes in model units; `ptycho_losses.torch_losses.amplitude` says why there."""

from __future__ import annotations

import tensorflow as tf

from ptycho_host.contracts import ForwardResult, LossFunction, Measurement
from ptycho_losses.checks import require_same_shape


def mae() -> LossFunction:
    """Mean absolute difference over all pixels, patterns and groups, in model units of amplitude."""
    return mean_absolute_difference


def mse() -> LossFunction:
    """Mean squared difference over all pixels, patterns and groups, in squared model units of amplitude."""
    return mean_squared_difference


def mean_absolute_difference(prediction: ForwardResult, target: Measurement) -> tf.Tensor:
    """Scalar mean |A - A'| of real amplitudes (B, C, N, N); raises ValueError when the shapes differ."""
    require_same_shape(prediction.amplitude, target.amplitude)
    return tf.reduce_mean(tf.abs(prediction.amplitude - target.amplitude))


def mean_squared_difference(prediction: ForwardResult, target: Measurement) -> tf.Tensor:
    """Scalar mean (A - A')^2 of real amplitudes (B, C, N, N); raises ValueError when the shapes differ."""
    require_same_shape(prediction.amplitude, target.amplitude)
    return tf.reduce_mean(tf.square(prediction.amplitude - target.amplitude))
