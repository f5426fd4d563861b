"""Averages over object patches that count what the probe has seen."""

from __future__ import annotations

import tensorflow as tf

from ptycho_losses.options import ConstantPhase


def illumination(probe: tf.Tensor) -> tf.Tensor:
    """|P|^2 of the probe (N, N) as real weights of sum 1; no gradient reaches the probe."""
    intensity = tf.stop_gradient(tf.square(tf.abs(probe)))
    return intensity / tf.reduce_sum(intensity)


def weighted_mean(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Scalar mean over patches of real values (B, C, N, N), weighted inside a patch by (N, N) of sum 1."""
    return tf.reduce_mean(tf.reduce_sum(values * weights, axis=(-2, -1)))


def phase_aligned(patches: tf.Tensor, truth: tf.Tensor, weights: tf.Tensor, constant_phase: ConstantPhase) -> tf.Tensor:
    """Complex patches (B, C, N, N), each or all C times the constant phase that brings them nearest to the truth.

    Nearest in weighted least squares: the phase of sum w O* T. The gradient passes it, so that none of it goes along
    a constant phase of the patch: there it would have nothing to settle against, and push weights on and on.
    """
    products = tf.cast(weights, patches.dtype) * tf.math.conj(patches) * truth
    together = (-2, -1) if constant_phase == "patch" else (-3, -2, -1)
    phase = angle(tf.reduce_sum(products, axis=together, keepdims=True))
    return patches * tf.complex(tf.cos(phase), tf.sin(phase))


def angle(values: tf.Tensor) -> tf.Tensor:
    """Phase of complex values, real; 0 at zero, and the gradient with it, where TensorFlow's is not a number."""
    return tf.math.angle(tf.where(tf.equal(values, 0), tf.ones_like(values), values))
