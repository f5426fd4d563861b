"""One answer from two engines: the same network, trained on the same scan with the same options and seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ptycho_contrib_tf.library import keras, tf
from ptycho_host.contracts import ClipReport, ForwardResult, GeneratorInputs, Measurement, WeightedLoss
from ptycho_host.data.scan import Scan
from ptycho_torch.engine import build as torch_build


class OneLayer(keras.Model):
    """The back-projection plus one convolution that starts at zero: nothing is drawn at random."""

    def __init__(self) -> None:
        super().__init__()
        self.last = keras.layers.Conv2D(2, 5, padding="same", kernel_initializer="zeros", name="last")

    def call(self, inputs: GeneratorInputs) -> tf.Tensor:
        seen = [tf.math.log1p(inputs.amplitude), tf.math.real(inputs.initial), tf.math.imag(inputs.initial)]
        change = tf.transpose(self.last(tf.transpose(tf.concat(seen, axis=1), [0, 2, 3, 1])), [0, 3, 1, 2])
        return inputs.initial + tf.complex(change[:, :1], change[:, 1:])


class TorchLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Conv2d(3, 2, 5, padding=2)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, inputs: GeneratorInputs) -> torch.Tensor:
        change = self.last(torch.cat([inputs.amplitude.log1p(), inputs.initial.real, inputs.initial.imag], dim=1))
        return inputs.initial + torch.complex(change[:, :1], change[:, 1:])


def torch_loss(prediction: ForwardResult, target: Measurement) -> torch.Tensor:
    return (prediction.amplitude - target.amplitude).abs().mean()


def torch_clip(parameters: Any) -> ClipReport:
    norm = float(nn.utils.clip_grad_norm_(list(parameters), 1.0))
    return ClipReport(norm, float(norm > 1))


@pytest.mark.parametrize("options", [{}, {"batch_size": 8, "accumulate": 2, "optimiser": "adam", "group_size": 1}])
def test_histories_and_weights_agree(laboratory: Any, scan: Scan, tmp_path: Path, options: dict[str, Any]) -> None:
    ours, theirs = laboratory.run(), laboratory.run()
    theirs.checkpoints = tmp_path / "torch"
    theirs.checkpoints.mkdir()
    bundle = laboratory.train(ours, make=OneLayer, epochs=3, **options)

    components = replace(
        laboratory.components(TorchLayer), losses=(WeightedLoss("mae", 1.0, torch_loss),), clip=torch_clip
    )
    problem = laboratory.problem(scan, epochs=3, **options)
    twin = torch_build(device="cpu", threads=1).train(problem, components, theirs)

    # Convolutions add up in another order; an optimiser that divides by the gradient's size makes more of it.
    for mine, other in zip(ours.reports, theirs.reports, strict=True):
        assert mine.training_loss == pytest.approx(other.training_loss, rel=1e-3)
        assert mine.validation_loss == pytest.approx(other.validation_loss, rel=1e-3)
        assert mine.gradient_norm == pytest.approx(other.gradient_norm, rel=2e-2)
        assert mine.learning_rate == other.learning_rate
    kernel = bundle.weights["last.kernel"].transpose(3, 2, 0, 1)
    expected = twin.weights["last.weight"]
    assert np.linalg.norm(kernel - expected) < 0.02 * np.linalg.norm(expected)
    assert bundle.facts["parameters"] == twin.facts["parameters"]
    assert bundle.scale == twin.scale
