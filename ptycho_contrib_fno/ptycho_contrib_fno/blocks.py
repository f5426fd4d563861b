"""Blocks that the generators are made of."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ptycho_contrib_fno.options import Layout
from ptycho_contrib_fno.spectral import SpectralConv


class InstanceNorm(nn.Module):
    """Each channel of each image with mean 0 and variance 1, then times a weight and plus a bias.

    Maps (B, channels, height, width) to the same, float32; 1e-5 is added to variances. Ulyanov et al.,
    arXiv:1607.08022, equation 4.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised features."""
        # Means of many pixels want full precision, whatever the precision around them.
        with torch.autocast(x.device.type, enabled=False):
            return self._normalise(x.to(self.weight.dtype))

    def _normalise(self, x: Tensor) -> Tensor:
        # Torch's group norm is several times slower on small features whose channels stand last in memory.
        batch, channels, height, width = x.shape
        pixels = x.permute(0, 2, 3, 1).reshape(batch, height * width, channels)
        mean = pixels.mean(1, keepdim=True)
        variance = pixels.square().mean(1, keepdim=True) - mean.square()
        scale = self.weight * torch.rsqrt(variance.clamp(min=0) + 1e-5)
        normalised = torch.addcmul(self.bias - mean * scale, pixels, scale)
        return normalised.view(batch, height, width, channels).permute(0, 3, 1, 2)


class Gate(nn.Module):
    """Multiplies an update by one learnt number, which starts at 0.1."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.1))

    def forward(self, update: Tensor) -> Tensor:
        """The update, scaled."""
        return self.scale * update


class BlurPool(nn.Module):
    """Every second pixel of what a binomial filter, [1 2 1] along both axes, makes of features mirrored at the edge.

    Maps (B, channels, size, size) to (B, channels, size/2, size/2). Zhang, "Making convolutional networks
    shift-invariant again", ICML 2019.
    """

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0])
        kernel = (torch.outer(line, line) / 16).expand(channels, 1, 3, 3).contiguous()
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Smoothed features of half the size."""
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.kernel, stride=2, groups=x.shape[1])


def folded(images: Tensor, patch: int) -> Tensor:
    """Each `patch` x `patch` pixels of images as the channels of one, which stand last in memory.

    Maps (B, C, height, width) to (B, C patch^2, height/patch, width/patch). Convolutions are fastest so, and everything
    behind them keeps that order.
    """
    return F.pixel_unshuffle(images, patch).contiguous(memory_format=torch.channels_last)


class Lifter(nn.Module):
    """From images to features by two 3x3 convolutions; `patch` x `patch` pixels become the channels of one first.

    Maps (B, in_channels, N, N) to (B, width, N/patch, N/patch).
    """

    def __init__(self, in_channels: int, width: int, patch: int = 1) -> None:
        super().__init__()
        self.patch = patch
        self.first = nn.Conv2d(in_channels * patch**2, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the images."""
        features: Tensor = self.second(F.gelu(self.first(folded(x, self.patch))))
        return features


class SpectralBlock(nn.Module):
    """y = x + GELU(S(x) + conv3x3(x)), with S the spectral convolution; (B, channels, size, size) to the same.

    Outside of its features the 3x3 convolution sees zeros or, with `padding` "reflect", their mirror image.
    """

    def __init__(
        self,
        channels: int,
        modes: int,
        size: int,
        layout: Layout,
        padding: Literal["zeros", "reflect"] = "zeros",
    ) -> None:
        super().__init__()
        self.spectral = SpectralConv(channels, channels, modes, size, layout)
        self.local = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding)

    def forward(self, x: Tensor) -> Tensor:
        """Features with the block's update added."""
        return x + F.gelu(self.spectral(x) + self.local(x))


class StableBlock(nn.Module):
    """y = x + IN(GELU(S(x) + conv3x3(x))): instance norm stands last and starts at or near zero.

    So a new block is the identity ("zero_gamma": norm weight 0) or near it ("layer_scale": 1e-3 for each channel),
    and the update of every channel has mean zero until the norm's bias is trained. Layer scale λ·IN with a weight
    in the norm would be two factors for one thing; here λ is the norm's weight.

    Norm weight 0: Goyal et al., arXiv:1706.02677, section 5.1. Layer scale: Touvron et al., ICCV 2021, section 2.
    """

    def __init__(
        self,
        channels: int,
        modes: int,
        size: int,
        layout: Layout,
        stabiliser: Literal["zero_gamma", "layer_scale"],
    ) -> None:
        super().__init__()
        self.spectral = SpectralConv(channels, channels, modes, size, layout)
        self.local = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = InstanceNorm(channels)
        nn.init.constant_(self.norm.weight, 0.0 if stabiliser == "zero_gamma" else 1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Features with the block's update added."""
        update: Tensor = self.norm(F.gelu(self.spectral(x) + self.local(x)))
        return x + update
