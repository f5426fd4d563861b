"""Process-wide settings of TensorFlow and Keras, changed for a while and put back."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np

from ptycho_contrib_tf.library import keras, ops, tf

Precision = Literal["32-true", "bf16-mixed"]
POLICIES: dict[Precision, str] = {"32-true": "float32", "bf16-mixed": "mixed_bfloat16"}


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """What Keras draws inside the block comes from `seed`; the caller's random numbers go on as before.

    Initial weights and the seeds of layers such as dropout all start from Python's own generator.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


@contextmanager
def own_precision(precision: Precision) -> Iterator[None]:
    """Layers that are built inside the block compute in `precision`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def own_gradients() -> Iterator[None]:
    """What is traced inside the block can be forgotten after it.

    TensorFlow registers every custom gradient that it traces (those of Keras' optimisers, of swish) under a new name,
    with the whole graph around it and for good: a process that trains again and again would grow without end.
    """
    registered: dict[str, object] = getattr(getattr(ops, "gradient_registry", None), "_registry", {})
    before = set(registered)
    try:
        yield
    finally:
        for name in registered.keys() - before:
            if name.startswith("CustomGradient-"):
                del registered[name]


def reseed(layer: keras.Layer, seed: int) -> None:
    """Start the random numbers that a model draws while it runs anew, each layer's from its own part of `seed`."""
    weights = {id(variable) for variable in layer.weights}
    states = [variable for variable in layer.variables if id(variable) not in weights]
    _assign_seeds([state for state in states if state.name == "seed_generator_state"], seed)


def _assign_seeds(states: Iterable[keras.Variable], seed: int) -> None:
    for number, state in enumerate(states):
        drawn = np.random.SeedSequence([seed, number]).generate_state(1)[0]
        # Half of the range fits the signed integers that some devices seed with.
        state.assign(np.array([drawn // 2, 0]))


def use_threads(threads: int | None) -> str | None:
    """Compute with that many CPU threads; None leaves it to TensorFlow.

    They can be chosen only before TensorFlow computes anything in a process; later, the sentence that says so.
    """
    if threads is None:
        return None
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        return f"TensorFlow already computes in this process: engine.threads={threads} comes too late and is ignored"
    return None
