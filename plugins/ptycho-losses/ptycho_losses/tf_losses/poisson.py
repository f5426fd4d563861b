"""Likelihood of photon counts."""

from __future__ import annotations

import math

import tensorflow as tf

from ptycho_host.contracts import ForwardResult, LossFunction, Measurement
from ptycho_losses.checks import require_same_shape
from ptycho_losses.options import (
    INCLUDE_CONSTANT,
    PER_PHOTON,
    RATE_FLOOR,
    REDUCTION,
    IncludeConstant,
    PerPhoton,
    RateFloor,
    Reduction,
)


def poisson(
    *,
    include_constant: IncludeConstant = INCLUDE_CONSTANT,
    reduction: Reduction = REDUCTION,
    rate_floor: RateFloor = RATE_FLOOR,
    per_photon: PerPhoton = PER_PHOTON,
) -> LossFunction:
    """Negative log-likelihood of the measured counts y under the expected counts λ, a pixel at a time.

    The definition, with its floor, scale, precision and source, is that of `ptycho_losses.torch_losses.poisson`;
    values and gradients are equal to rounding. Same value as tf.nn.log_poisson_loss(y, ln(λ + f)) less f.
    The loss raises ValueError when the shapes differ.
    """
    pixel_loss = complete_likelihood if include_constant else likelihood_without_constant

    def loss(prediction: ForwardResult, target: Measurement) -> tf.Tensor:
        require_same_shape(prediction.amplitude, target.amplitude)
        pixels = pixel_loss(prediction.counts, target.counts, rate_floor)
        value = tf.reduce_mean(pixels) if reduction == "mean" else tf.reduce_sum(pixels)
        return value / target.intensity_scale**2 if per_photon else value

    return loss


def likelihood_without_constant(expected: tf.Tensor, counts: tf.Tensor, floor: float) -> tf.Tensor:
    """λ - y ln(λ + f) a pixel, for expected and measured counts of one shape."""
    return expected - counts * tf.math.log(expected + floor)


def complete_likelihood(expected: tf.Tensor, counts: tf.Tensor, floor: float) -> tf.Tensor:
    """λ - y ln(λ + f) + lnΓ(y + 1) a pixel, rearranged as the twin for PyTorch is, and as accurate."""
    rate = expected + floor
    near = tf.abs(rate - counts) < counts / 2
    safe_counts = tf.where(counts > 0, counts, 1)
    log_near = tf.math.log1p(tf.where(near, (rate - counts) / safe_counts, 0))
    log_far = tf.math.log(rate) - tf.math.log(safe_counts)
    return expected - counts - counts * tf.where(near, log_near, log_far) + stirling_remainder(counts)


def stirling_remainder(counts: tf.Tensor) -> tf.Tensor:
    """lnΓ(y + 1) - y ln y + y for y >= 0, from Stirling's series above 16 (error below 2e-14)."""
    few = tf.minimum(counts, 16)
    many = tf.maximum(counts, 16)
    inverse_square = 1 / tf.square(many)
    series = (1 / 12 - inverse_square * (1 / 360 - inverse_square * (1 / 1260 - inverse_square / 1680))) / many
    return tf.where(
        counts < 16,
        tf.math.lgamma(few + 1) - tf.math.xlogy(few, few) + few,
        tf.math.log(2 * math.pi * many) / 2 + series,
    )
