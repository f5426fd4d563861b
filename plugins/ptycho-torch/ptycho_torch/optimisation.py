"""Optimisers."""

from __future__ import annotations

from collections.abc import Iterable

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
            return torch.optim.SGD(trained, lr=rate, momentum=MOMENTUM, weight_decay=decay, fused=fused)
