"""Optimisers: Torch's own, and stochastic gradient descent with decoupled decay, which Torch does not have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from ptycho_host.config import TrainOptions

MOMENTUM = 0.9


def build_optimiser(parameters: Iterable[nn.Parameter], options: TrainOptions) -> torch.optim.Optimizer:
    """The chosen optimiser, fused where its kernels take the parameters (they refuse complex ones)."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    fused = all(parameter.is_floating_point() for parameter in trained)
    rate, decay = options.learning_rate, options.weight_decay
    match options.optimiser:
        case "adam":
            return torch.optim.Adam(trained, lr=rate, fused=fused)
        case "adamw":
            return torch.optim.AdamW(trained, lr=rate, weight_decay=decay, fused=fused)
        case "sgd":
            return DecoupledSGD(trained, rate, MOMENTUM, decay)


class DecoupledSGD(torch.optim.Optimizer):
    """Momentum of the steps, as Keras has it, and weights that decay beside them by rate times decay.

    Source: Loshchilov, Hutter, Decoupled weight decay regularization, ICLR 2019, algorithm 1.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], rate: float, momentum: float, decay: float) -> None:
        super().__init__(parameters, {"lr": rate, "momentum": momentum, "weight_decay": decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # there is no closure to give a loss
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            rate, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
            for parameter in group["params"]:
                if parameter.grad is not None:
                    velocity = self.state[parameter].setdefault("velocity", torch.zeros_like(parameter))
                    velocity.mul_(momentum).sub_(parameter.grad, alpha=rate)
                    parameter.mul_(1 - rate * decay).add_(velocity)
