"""Amplitude losses against their definitions in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ptycho_host.contracts import ForwardResult, Measurement
from ptycho_losses.torch_losses.amplitude import mae, mse


def pair(seed: int = 0) -> tuple[ForwardResult, Measurement]:
    generator = torch.Generator().manual_seed(seed)
    predicted, measured = torch.rand(2, 3, 2, 8, 8, generator=generator, dtype=torch.float64)
    probe = torch.ones(8, 8, dtype=torch.complex128)
    return ForwardResult(predicted, 7.0, torch.ones(3, 2, 8, 8, dtype=torch.complex128), probe), Measurement(
        measured, 7.0
    )


def test_mae_is_the_mean_modulus_in_model_units():
    prediction, target = pair()
    expected = np.abs(prediction.amplitude.numpy() - target.amplitude.numpy()).mean()
    assert mae()(prediction, target).item() == pytest.approx(expected, rel=1e-13)


def test_mse_is_the_mean_square_in_model_units():
    prediction, target = pair()
    expected = np.square(prediction.amplitude.numpy() - target.amplitude.numpy()).mean()
    assert mse()(prediction, target).item() == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("loss", [mae(), mse()])
def test_gradient_agrees_with_finite_differences(loss):
    prediction, target = pair()

    def value(amplitude: torch.Tensor) -> torch.Tensor:
        return loss(ForwardResult(amplitude, 7.0, prediction.object_patches, prediction.probe), target)

    assert torch.autograd.gradcheck(value, prediction.amplitude.clone().requires_grad_())


@pytest.mark.parametrize("loss", [mae(), mse()])
def test_a_batch_against_batch_times_channels_is_refused_not_broadcast(loss):
    prediction, target = pair()
    with pytest.raises(ValueError, match="differ in shape"):
        loss(prediction, Measurement(target.amplitude[:, :1], 7.0))
