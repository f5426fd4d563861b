"""Averages over object patches that count what the probe has seen."""

from __future__ import annotations

import tensorflow as tf


def illumination(probe: tf.Tensor) -> tf.Tensor:
    """|P|^2 of the probe (N, N) as real weights of sum 1; no gradient reaches the probe."""
    intensity = tf.stop_gradient(tf.square(tf.abs(probe)))
    return intensity / tf.reduce_sum(intensity)


def weighted_mean(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Scalar mean over patches of real values (B, C, N, N), weighted inside a patch by (N, N) of sum 1."""
    return tf.reduce_mean(tf.reduce_sum(values * weights, axis=(-2, -1)))


def phase_aligned(patches: tf.Tensor, truth: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Complex patches (B, C, N, N), each times the constant phase that brings it nearest to the truth.

    Nearest in weighted least squares: the phase of sum w O* T. It is held constant, so no gradient passes it.
    """
    products = tf.cast(weights, patches.dtype) * tf.math.conj(patches) * truth
    angle = tf.math.angle(tf.reduce_sum(products, axis=(-2, -1), keepdims=True))
    return patches * tf.stop_gradient(tf.complex(tf.cos(angle), tf.sin(angle)))
