"""The optimisers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from ptycho_host.config import TrainOptions
from ptycho_torch.optimisation import build_optimiser


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
