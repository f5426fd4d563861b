"""Optimisers by name, with the constants of the Torch engine."""

from __future__ import annotations

from ptycho_contrib_tf.library import keras
from ptycho_host.config import TrainOptions

MOMENTUM = 0.9
EPSILON = 1e-8


def build_optimiser(options: TrainOptions) -> keras.Optimizer:
    """The chosen optimiser; its learning rate is a variable."""
    rate, decay = options.learning_rate, options.weight_decay
    match options.optimiser:
        case "adam":
            return keras.optimizers.Adam(rate, epsilon=EPSILON)
        case "adamw":
            return keras.optimizers.AdamW(rate, weight_decay=decay, epsilon=EPSILON)
        case "sgd":
            return keras.optimizers.SGD(rate, momentum=MOMENTUM, weight_decay=decay)
