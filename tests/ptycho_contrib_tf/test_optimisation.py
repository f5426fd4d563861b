"""The optimisers make the steps of Torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ptycho_contrib_tf.library import keras, tf
from ptycho_contrib_tf.optimisation import build_optimiser
from ptycho_host.config import TrainOptions
from ptycho_torch.optimisation import build_optimiser as torch_optimiser


@pytest.mark.parametrize(("optimiser", "decay"), [("adam", 0.1), ("adamw", 0.1), ("sgd", 0.1)])
def test_ten_steps_are_those_of_torch(optimiser: str, decay: float) -> None:
    """With a rate that changes, as in training; plain adam knows no decay on either."""
    options = TrainOptions(optimiser=optimiser, weight_decay=decay, learning_rate=0.1)
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 4)).astype(np.float32)
    variable, twin = keras.Variable(start), torch.nn.Parameter(torch.from_numpy(start.copy()))
    ours, theirs = build_optimiser(options), torch_optimiser([twin], options)
    ours.build([variable])
    for step in range(10):
        gradient = rng.normal(size=start.shape).astype(np.float32)
        rate = 0.1 / (step + 1)
        ours.learning_rate.assign(rate)
        ours.apply([tf.constant(gradient)], [variable])
        theirs.param_groups[0]["lr"] = rate
        twin.grad = torch.from_numpy(gradient)
        theirs.step()
    # Ten float32 steps of up to 0.1.
    np.testing.assert_allclose(variable, twin.detach(), atol=2e-6)


def test_the_decay_of_sgd_is_decoupled() -> None:
    variable = keras.Variable(np.full(2, 2.0, np.float32))
    optimiser = build_optimiser(TrainOptions(optimiser="sgd", weight_decay=0.1, learning_rate=0.5))
    for _ in range(2):
        optimiser.apply([tf.zeros(2)], [variable])
    # No momentum of the decay builds up.
    np.testing.assert_allclose(variable, 2 * (1 - 0.5 * 0.1) ** 2, rtol=1e-6)
