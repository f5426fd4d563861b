"""A prior on the object: few edges."""

from __future__ import annotations

import torch

from ptycho_host.contracts import ForwardResult, LossFunction, Measurement
from ptycho_losses.options import DIFFERENCES, Differences
from ptycho_losses.torch_losses.patches import illumination, weighted_mean


def tv(*, differences: Differences = DIFFERENCES) -> LossFunction:
    """Mean total variation of the complex object patches, in model units a pixel, weighted by |P|^2.

    At each pixel but the last row and column the forward differences d_y, d_x give sqrt(|d_y|^2 + |d_x|^2)
    (isotropic) or |d_y| + |d_x| (anisotropic). Modulus and phase edges count alike and a constant phase counts
    nothing. It ignores the measurement: give it a small weight beside a loss that does not. Source: Rudin, Osher
    & Fatemi, Physica D 60 (1992) 259, for the isotropic form.
    """

    def loss(prediction: ForwardResult, target: Measurement) -> torch.Tensor:
        patches = prediction.object_patches
        corner = patches[..., :-1, :-1]
        steps = torch.stack([patches[..., 1:, :-1] - corner, patches[..., :-1, 1:] - corner])
        # vector_norm has the subgradient 0 on a flat patch, where the square root's own would be infinite.
        variation = torch.linalg.vector_norm(steps, ord=2 if differences == "isotropic" else 1, dim=0)
        return weighted_mean(variation, illumination(prediction.probe[..., :-1, :-1]))

    return loss
