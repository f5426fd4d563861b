"""What this distribution registers with ptycho-host."""

from __future__ import annotations

from collections.abc import Sequence

from ptycho_host import hookimpl
from ptycho_host.components import Engine, Generator

SLOW_AND_STEADY = {"learning_rate": 5e-4, "batch_size": 4}
"""Both networks first find the mean of all patches; at the host's rate their ReLUs die there."""


@hookimpl
def ptycho_engines() -> Sequence[Engine]:
    """The TensorFlow engine."""
    return [
        Engine(
            "keras",
            backend="tensorflow",
            summary="TensorFlow and Keras, with XLA: CPUs, GPUs, several of them.",
            target="ptycho_contrib_tf.engine:build",
        )
    ]


@hookimpl
def ptycho_generators() -> Sequence[Generator]:
    """The two networks of the field's reference system."""
    return [
        Generator(
            "pinn",
            backend="tensorflow",
            summary="A convolutional encoder with one decoder for the amplitude and one for the phase.",
            target="ptycho_contrib_tf.pinn:build",
            training=SLOW_AND_STEADY,
        ),
        Generator(
            "baseline",
            backend="tensorflow",
            summary="A convolutional encoder with two linear arms, for supervised training.",
            target="ptycho_contrib_tf.baseline:build",
            training=SLOW_AND_STEADY,
        ),
    ]
