"""Gradients, L2 norms, and the report made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import tensorflow as tf

from ptycho_host.contracts import ClipReport, TrainedParameter


def with_gradient(parameters: Iterable[TrainedParameter]) -> list[TrainedParameter]:
    """The parameters that have a gradient, in order."""
    return [parameter for parameter in parameters if parameter.grad is not None]


def tensor_norm(tensor: tf.Tensor) -> tf.Tensor:
    """Norm of the whole tensor, shape (1,), real and at least float32."""
    return tf.reshape(tf.sqrt(tf.reduce_sum(_squares(tensor))), (1,))


def unit_norms(tensor: tf.Tensor) -> tf.Tensor:
    """Norm of each slice along the last dimension, shape (units,); vectors and scalars are one unit."""
    if len(tensor.shape) < 2:
        return tensor_norm(tensor)
    return tf.sqrt(tf.reduce_sum(_squares(tensor), axis=range(len(tensor.shape) - 1)))


def total_norm(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Norm of all tensors (at least one) as one vector, a scalar tensor."""
    return tensor_norm(tf.concat([tensor_norm(tensor) for tensor in tensors], axis=0))[0]


def scaled(gradient: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """The gradient (…, units) times real factors: a scalar, or one a unit."""
    return gradient * tf.cast(factor, gradient.dtype)


def report(norm: tf.Tensor, clipped: tf.Tensor) -> ClipReport:
    """The report of two real scalars: plain numbers, unless the clipper is being traced."""
    if tf.executing_eagerly():
        norm, clipped = tf.stack([norm, tf.cast(clipped, norm.dtype)]).numpy().tolist()
    return ClipReport(norm=norm, clipped=clipped)


def _squares(tensor: tf.Tensor) -> tf.Tensor:
    modulus = tf.abs(tensor)
    # Squares overflow float16 above 256 and lose most digits in bfloat16.
    return tf.square(tf.cast(modulus, tf.float32) if modulus.dtype in (tf.float16, tf.bfloat16) else modulus)
