"""What is done to measured amplitudes before a network sees them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ptycho_contrib_fno.options import InputTransform


def transform_amplitude(amplitude: Tensor, transform: InputTransform) -> Tensor:
    """The amplitudes (B, C, N, N) on the scale named by `transform`, each pattern by itself.

    "sqrt" and "log1p" take negative values for zero; "instancenorm" gives each pattern mean 0 and variance 1.
    """
    match transform:
        case "none":
            return amplitude
        case "sqrt":
            return torch.sqrt(amplitude.clamp(min=0))
        case "log1p":
            return torch.log1p(amplitude.clamp(min=0))
        case "instancenorm":
            return F.instance_norm(amplitude, eps=1e-6)
