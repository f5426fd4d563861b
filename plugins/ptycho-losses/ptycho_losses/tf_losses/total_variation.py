"""A prior on the object: few edges."""

from __future__ import annotations

import tensorflow as tf

from ptycho_host.contracts import ForwardResult, LossFunction, Measurement
from ptycho_losses.options import DIFFERENCES, Differences
from ptycho_losses.tf_losses.patches import illumination, weighted_mean


def tv(*, differences: Differences = DIFFERENCES) -> LossFunction:
    """Mean total variation of the complex object patches, in model units a pixel, weighted by |P|^2.

    Defined as in `ptycho_losses.torch_losses.total_variation`.
    """

    def loss(prediction: ForwardResult, target: Measurement) -> tf.Tensor:
        patches = prediction.object_patches
        corner = patches[..., :-1, :-1]
        moduli = tf.abs(tf.stack([patches[..., 1:, :-1] - corner, patches[..., :-1, 1:] - corner]))
        variation = length(moduli) if differences == "isotropic" else tf.reduce_sum(moduli, axis=0)
        return weighted_mean(variation, illumination(prediction.probe[..., :-1, :-1]))

    return loss


def length(vectors: tf.Tensor) -> tf.Tensor:
    """L2 norm along the first axis; its gradient at a vector of zero is zero, where the square root's is infinite."""
    square = tf.reduce_sum(tf.square(vectors), axis=0)
    some = square > 0
    return tf.where(some, tf.sqrt(tf.where(some, square, 1)), 0)
