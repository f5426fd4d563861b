"""Generator `compact_unet`: a small U-Net that corrects the back-projection."""

from typing import Annotated

import torch
from ptycho_host.contracts import GeneratorInputs
from pydantic import Field
from torch import Tensor, nn

Width = Annotated[int, Field(ge=1, description="Feature channels at the finest level.")]
Levels = Annotated[int, Field(ge=1, le=6, description="How many times the features are halved in size.")]


def convolutions(inputs: int, features: int) -> nn.Sequential:
    """Two 3x3 convolutions with one normalisation, (B, inputs, H, W) -> (B, features, H, W)."""
    first, second = nn.Conv2d(inputs, features, 3, padding=1), nn.Conv2d(features, features, 3, padding=1)
    return nn.Sequential(first, nn.GroupNorm(1, features), nn.GELU(), second, nn.GELU())


class Coarser(nn.Sequential):
    """Its modules at half the size, and their result beside what came in: (B, C, H, W) -> (B, C + C', H, W)."""

    def forward(self, features: Tensor) -> Tensor:
        """Odd sizes are rounded up on the way down."""
        made = super().forward(nn.functional.avg_pool2d(features, 2, ceil_mode=True))
        return torch.cat([features, nn.functional.interpolate(made, size=features.shape[-2:])], dim=1)


def unet(inputs: int, width: int, levels: int) -> nn.Sequential:
    """(B, inputs, H, W) -> (B, width, H, W); the features double in number on each of so many coarser levels."""
    inner = unet(width, 2 * width, levels - 1) if levels > 1 else convolutions(width, 2 * width)
    return nn.Sequential(convolutions(inputs, width), Coarser(inner), convolutions(3 * width, width))


class CompactUNet(nn.Module):
    """O = O0 + f(log(1 + A), Re O0, Im O0), where O0 is the back-projection and f a U-Net on cells of 2x2 pixels.

    The last convolution of f starts at zero: the untrained network returns O0.
    Source: Ronneberger, Fischer and Brox, MICCAI 2015, for the U-Net.
    """

    def __init__(self, width: int, levels: int) -> None:
        super().__init__()
        head = nn.Conv2d(width, 8, 1, bias=False)
        nn.init.zeros_(head.weight)
        self.network = nn.Sequential(nn.PixelUnshuffle(2), unet(12, width, levels), head, nn.PixelShuffle(2))

    def forward(self, inputs: GeneratorInputs) -> Tensor:
        """Object patches (B, C, N, N) complex64, in model units; each pattern of a group is treated alone."""
        images = torch.stack([inputs.amplitude.log1p(), inputs.initial.real, inputs.initial.imag], dim=2)
        change = self.network(images.flatten(0, 1)).unflatten(0, images.shape[:2])
        return inputs.initial + torch.complex(*change.to(images.dtype).unbind(dim=2))


def build(*, width: Width = 16, levels: Levels = 4) -> nn.Module:
    """The network; its keyword-only parameters are the options `generator.width` and `generator.levels`."""
    return CompactUNet(width, levels)
