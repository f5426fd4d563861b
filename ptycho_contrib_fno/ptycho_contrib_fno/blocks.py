"""Blocks that the generators are made of."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from ptycho_contrib_fno.options import Layout
from ptycho_contrib_fno.spectral import SpectralConv


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
        features: Tensor = self.second(F.gelu(self.first(F.pixel_unshuffle(x, self.patch))))
        return features


class SpectralBlock(nn.Module):
    """y = x + GELU(S(x) + conv3x3(x)), with S the spectral convolution; (B, channels, size, size) to the same."""

    def __init__(self, channels: int, modes: int, size: int, layout: Layout) -> None:
        super().__init__()
        self.spectral = SpectralConv(channels, channels, modes, size, layout)
        self.local = nn.Conv2d(channels, channels, 3, padding=1)

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
        # One channel a group is instance norm, and twice as fast on CPUs as Torch's own.
        self.norm = nn.GroupNorm(channels, channels)
        nn.init.constant_(self.norm.weight, 0.0 if stabiliser == "zero_gamma" else 1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Features with the block's update added."""
        update: Tensor = self.norm(F.gelu(self.spectral(x) + self.local(x)))
        return x + update
