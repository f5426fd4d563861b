"""The blocks: identity at the start, updates without a mean, gradients where training begins."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ptycho_contrib_fno.blocks import BlurPool, Gate, Lifter, SpectralBlock, StableBlock
from ptycho_contrib_fno.hybrid_resnet import ResidualBlock


def block(stabiliser: str) -> StableBlock:
    return StableBlock(6, 4, 16, "two_corner", stabiliser)


def features() -> torch.Tensor:
    return torch.randn(3, 6, 16, 16)


def test_a_zero_gamma_block_starts_as_the_identity() -> None:
    x = features()
    assert torch.equal(block("zero_gamma")(x), x)


def test_a_layer_scale_block_starts_near_the_identity() -> None:
    x = features()
    update = block("layer_scale")(x) - x
    # The normalised update has variance 1, so its scale is lambda = 1e-3 (rounding of x: 1e-7).
    torch.testing.assert_close(update.std(dim=(-2, -1)), torch.full((3, 6), 1e-3), rtol=0.01, atol=0)


@pytest.mark.parametrize("stabiliser", ["zero_gamma", "layer_scale"])
def test_the_update_of_every_channel_of_every_pattern_has_mean_zero(stabiliser: str) -> None:
    stable = block(stabiliser)
    nn.init.uniform_(stable.norm.weight, 0.5, 2)
    x = features()
    means = (stable(x) - x).mean(dim=(-2, -1))
    # Single precision, 256 pixels of order one.
    torch.testing.assert_close(means, torch.zeros(3, 6), rtol=0, atol=1e-6)


@pytest.mark.parametrize("stabiliser", ["zero_gamma", "layer_scale"])
def test_the_scale_of_every_channel_has_a_gradient_at_once(stabiliser: str) -> None:
    stable = block(stabiliser)
    stable(features()).square().mean().backward()
    assert stable.norm.weight.grad.abs().min() > 0


def test_the_norm_is_instance_norm() -> None:
    stable = block("layer_scale")
    nn.init.normal_(stable.norm.weight)
    nn.init.normal_(stable.norm.bias)
    x = features()
    # Two implementations in single precision.
    torch.testing.assert_close(
        stable.norm(x), F.instance_norm(x, weight=stable.norm.weight, bias=stable.norm.bias), rtol=0, atol=1e-5
    )


def test_a_spectral_block_adds_a_rectified_sum_of_both_convolutions() -> None:
    spectral = SpectralBlock(6, 4, 16, "one_corner")
    x = features()
    expected = x + F.gelu(spectral.spectral(x) + F.conv2d(x, spectral.local.weight, spectral.local.bias, padding=1))
    torch.testing.assert_close(spectral(x), expected)


def test_lifting_by_patches_keeps_every_pixel() -> None:
    lifter = Lifter(2, 8, patch=2)
    image = torch.randn(1, 2, 16, 16)
    assert lifter(image).shape == (1, 8, 8, 8)
    gradient = torch.autograd.grad(lifter(image.requires_grad_()).square().sum(), image)[0]
    assert (gradient != 0).all()


def test_blurring_keeps_the_mean_level_and_removes_the_highest_frequency() -> None:
    pool = BlurPool(2)
    assert torch.equal(pool(torch.ones(1, 2, 8, 8)), torch.ones(1, 2, 4, 4))
    y, x = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    # The mirror image continues a wave of period 2 without a break.
    assert not pool(torch.cos(torch.pi * x).expand(1, 2, 8, 8)).abs().max() > 1e-6
    assert not pool(torch.cos(torch.pi * (x + y)).expand(1, 2, 8, 8)).abs().max() > 1e-6


def test_a_gate_starts_at_a_tenth_and_is_one_number() -> None:
    gate = Gate()
    x = features()
    torch.testing.assert_close(gate(x), 0.1 * x)
    assert [parameter.numel() for parameter in gate.parameters()] == [1]


def test_a_residual_block_starts_near_the_identity() -> None:
    x = features()
    update = ResidualBlock(6)(x) - x
    # The update is normalised before it is scaled by 0.1; 1e-5 is added to variances of order 0.1.
    torch.testing.assert_close(update.std(dim=(-2, -1), correction=0), torch.full((3, 6), 0.1), rtol=0.01, atol=0)
