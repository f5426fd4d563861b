"""Trainings that go wrong: numbers that are none, and predictions that are all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ptycho_host.contracts import ForwardResult, Measurement
from ptycho_host.data.scan import Scan
from ptycho_host.errors import BundleError, RunFailedError


def poisoned(first: int, last: int) -> Callable[[ForwardResult, Measurement], torch.Tensor]:
    """Mean absolute difference, but not a number in the training steps from `first` up to `last`."""
    calls = 0

    def loss(prediction: ForwardResult, target: Measurement) -> torch.Tensor:
        nonlocal calls
        value = (prediction.amplitude - target.amplitude).abs().mean()
        calls += int(torch.is_grad_enabled())
        return value * float("nan") if torch.is_grad_enabled() and first <= calls <= last else value

    return loss


def test_training_recovers_from_a_loss_that_is_not_a_number(laboratory: Any) -> None:
    run = laboratory.run()
    # 11 groups make two steps of 16 patterns an epoch, with two terms each: call 6 lies in the second epoch.
    bundle = laboratory.train(run, loss=poisoned(6, 6), epochs=3, scheduler="constant")
    assert [report.epoch for report in run.reports] == [1, 2, 3]
    assert [report.learning_rate for report in run.reports] == [3e-3, 1.5e-3, 1.5e-3]
    assert bundle.facts["setbacks"] == 1
    assert "half the learning rate" in run.notes[0]
    assert all(np.isfinite(array).all() for array in bundle.weights.values())


def test_training_gives_up_in_the_end_and_says_why(laboratory: Any) -> None:
    with pytest.raises(RunFailedError, match=r"epoch 1: .* stopped being numbers.*train.learning_rate"):
        laboratory.train(loss=poisoned(1, 10**9))


def test_a_constant_network_is_called_collapsed(laboratory: Any) -> None:
    run = laboratory.run()
    bundle = laboratory.train(run, make=laboratory.constant)
    assert [report.collapsed for report in run.reports] == [True, True]
    assert bundle.facts["collapsed"] is True
    assert len([note for note in run.notes if "collapsed" in note]) == 1


def test_a_collapse_can_send_training_back(laboratory: Any) -> None:
    run = laboratory.run()
    bundle = laboratory.train(run, make=laboratory.constant, on_collapse="restart", epochs=1, scheduler="constant")
    # Nothing helps a constant network: after two attempts at half and a quarter of the rate it goes on.
    assert bundle.facts["setbacks"] == 2
    assert run.reports[0].learning_rate == pytest.approx(3e-3 / 4)


def test_a_constant_prediction_of_a_uniform_object_is_right(
    laboratory: Any, simulated: Callable[..., Scan], scan: Scan
) -> None:
    run = laboratory.run()
    uniform = simulated(np.full((56, 56), 0.8 + 0.1j), photons=1e5)
    laboratory.train(run, make=laboratory.constant, scan=uniform, epochs=1)
    assert run.reports[0].collapsed is False


def test_a_checkpoint_of_another_network_is_refused(laboratory: Any) -> None:
    laboratory.train(epochs=1)
    with pytest.raises(BundleError, match="do not fit"):
        laboratory.train(laboratory.run(resume=True), make=laboratory.constant)


def test_a_checkpoint_of_another_seed_is_refused(laboratory: Any) -> None:
    laboratory.train(epochs=1)
    with pytest.raises(BundleError, match="seed"):
        laboratory.train(laboratory.run(resume=True), seed=3)


def test_complex_parameters_train_and_are_saved(laboratory: Any) -> None:
    class Complex(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.ones(1, dtype=torch.complex64))

        def forward(self, inputs: Any) -> torch.Tensor:
            return inputs.initial * self.factor

    bundle = laboratory.train(make=Complex, epochs=1)
    laboratory.train(laboratory.run(resume=True), make=Complex, epochs=2)
    assert bundle.weights["factor"].dtype == np.complex64
    assert bundle.weights["factor"] != 1
