"""Learning rates over time, and the optimisers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from ptycho_host.config import TrainOptions
from ptycho_torch.optimisation import Plateau, build_optimiser, learning_rate


def rate(progress: float, epoch: int = 0, plateau: Plateau | None = None, **options: Any) -> float:
    return learning_rate(TrainOptions(learning_rate=1.0, **options), progress, epoch, plateau or Plateau())


def test_warm_up_rises_to_the_peak_and_cosine_falls_to_the_floor() -> None:
    options = {"scheduler": "warmup_cosine", "warmup": 0.1, "floor": 0.02}
    assert rate(0.0, **options) == pytest.approx(0.1)
    assert rate(0.05, **options) == pytest.approx(0.55)
    assert rate(0.1, **options) == pytest.approx(1.0)
    assert rate(0.55, **options) == pytest.approx((1 + 0.02) / 2)
    assert rate(1.0, **options) == pytest.approx(0.02)
    assert rate(1.3, **options) == pytest.approx(0.02)


def test_cosine_without_warm_up_starts_at_the_peak() -> None:
    assert rate(0.0, scheduler="warmup_cosine", warmup=0.0) == pytest.approx(1.0)


def test_constant_and_exponential() -> None:
    assert rate(0.7, epoch=5, scheduler="constant") == 1.0
    assert rate(0.7, epoch=5, scheduler="exponential", decay=0.9) == pytest.approx(0.9**5)


def test_plateau_halves_after_three_epochs_without_improvement() -> None:
    plateau = Plateau()
    factors = []
    for loss in (1.0, 0.9, 0.95, 0.95, 0.95, 0.8, 0.9, 0.9, 0.9, 0.9):
        plateau.update(loss, floor=0.02)
        factors.append(rate(0.0, plateau=plateau, scheduler="plateau"))
    assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_plateau_keeps_to_the_floor() -> None:
    plateau = Plateau()
    for _ in range(50):
        plateau.update(1.0, floor=0.1)
    assert plateau.factor == 0.1


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_every_optimiser_finds_the_minimum(optimiser: Any, dtype: torch.dtype) -> None:
    parameter = nn.Parameter(torch.full((3,), 2.0, dtype=dtype))
    stepper = build_optimiser([parameter], TrainOptions(optimiser=optimiser, learning_rate=0.05, weight_decay=0))
    for _ in range(300):
        stepper.zero_grad()
        (parameter - 1).abs().square().sum().backward()
        stepper.step()
    # Adam's steps are as long as the rate until the gradient's sign settles.
    torch.testing.assert_close(parameter.detach(), torch.ones(3, dtype=dtype), atol=0.02, rtol=0)


@pytest.mark.parametrize(("optimiser", "decays"), [("adam", False), ("adamw", True), ("sgd", True)])
def test_weight_decay_is_for_adamw_and_sgd(optimiser: Any, decays: bool) -> None:
    parameter = nn.Parameter(torch.ones(3))
    stepper = build_optimiser([parameter], TrainOptions(optimiser=optimiser, learning_rate=0.1, weight_decay=0.5))
    parameter.grad = torch.zeros(3)
    stepper.step()
    assert bool((parameter < 1).all()) is decays
