"""Levels of a U-Net: which sizes and channels, and the way between them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ptycho_contrib_fno.blocks import BlurPool
from ptycho_contrib_fno.options import Downsampling, Upsampling
from ptycho_host.errors import OptionError

SMALLEST_FEATURES = 8
"""Features are never halved below this many pixels a side: less than that holds no frequencies worth keeping."""


@dataclass(frozen=True, slots=True)
class Level:
    """Features of one level: (B, channels, size, size)."""

    channels: int
    size: int


def descend(features: Tensor, blocks: nn.ModuleList, down: nn.ModuleList) -> tuple[Tensor, list[Tensor]]:
    """Features of the coarsest level, and what a decoder joins: those of each finer level behind its block."""
    set_aside = []
    for block, halve in zip(blocks, down, strict=True):
        features = block(features)
        set_aside.append(features)
        features = halve(features)
    return features, set_aside


def plan_levels(
    pixels: int,
    *,
    patch: int,
    width: int,
    max_hidden_channels: int,
    blocks: int,
    downsamplings: int | None,
    coarsest: int = SMALLEST_FEATURES,
) -> list[Level]:
    """Levels from finest to coarsest for N = `pixels`: sizes halve from N/patch, channels double up to the cap.

    Without `downsamplings` there are as many as leave one of `blocks` a level and `coarsest` pixels a side. Raises
    OptionError if there are fewer blocks than levels, if N cannot be divided so often, or if features were halved
    below 8 x 8 pixels.
    """
    if downsamplings is None:
        downsamplings = min(_halvings(pixels // patch, coarsest), blocks - 1)
    if downsamplings >= blocks:
        raise OptionError(
            f"{downsamplings} down-samplings stand between {downsamplings + 1} blocks, and there are {blocks}; "
            f"set generator.blocks={downsamplings + 1} or generator.downsamplings={blocks - 1}."
        )
    factor = patch * 2**downsamplings
    if downsamplings and pixels // factor < SMALLEST_FEATURES:
        raise OptionError(
            f"{downsamplings} down-samplings of patterns of {pixels} x {pixels} pixels leave features of less than "
            f"{SMALLEST_FEATURES} x {SMALLEST_FEATURES}; set generator.downsamplings lower."
        )
    if pixels % factor:
        lower = pixels - pixels % factor
        raise OptionError(
            f"patterns of {pixels} x {pixels} pixels cannot be divided by {factor} as the network needs; crop them to "
            f"{lower} or pad them to {lower + factor} pixels, or set "
            f"{'generator.downsamplings' if downsamplings else 'generator.stem'} lower."
        )
    return [
        Level(min(width * 2**i, max(width, max_hidden_channels)), pixels // patch // 2**i)
        for i in range(downsamplings + 1)
    ]


def _halvings(size: int, smallest: int) -> int:
    return max(0, (size // smallest).bit_length() - 1)


def downsample(fine: Level, coarse: Level, kind: Downsampling = "strided") -> nn.Module:
    """From the finer to the coarser level; `kind` as described in the options, "strided" with a kernel of 2."""
    if kind == "strided":
        return nn.Conv2d(fine.channels, coarse.channels, 2, stride=2)
    pool = nn.AvgPool2d(2) if kind == "average" else BlurPool(fine.channels)
    return nn.Sequential(pool, nn.Conv2d(fine.channels, coarse.channels, 1))


def upsample(coarse: Level, fine: Level, kind: Upsampling) -> nn.Module:
    """From the coarser to the finer level; `kind` as described in the options."""
    if kind == "transposed":
        return nn.ConvTranspose2d(coarse.channels, fine.channels, 2, stride=2)
    return nn.Sequential(nn.Conv2d(coarse.channels, 4 * fine.channels, 3, padding=1), nn.PixelShuffle(2))


class Merge(nn.Module):
    """Joins what comes up with what was set aside, by two 3x3 convolutions; both (B, channels, size, size)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(2 * channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, coming_up: Tensor, set_aside: Tensor) -> Tensor:
        """Features of the same shape as either."""
        merged: Tensor = self.second(F.gelu(self.first(torch.cat([coming_up, set_aside], dim=1))))
        return merged


class Decoder(nn.Module):
    """From the coarsest of the `levels` back to the finest, joined on each with what the encoder set aside."""

    def __init__(self, levels: list[Level], upsampling: Upsampling) -> None:
        super().__init__()
        self.up = nn.ModuleList(upsample(coarse, fine, upsampling) for fine, coarse in pairwise(levels))
        self.merge = nn.ModuleList(Merge(level.channels) for level in levels[:-1])

    def forward(self, features: Tensor, set_aside: list[Tensor]) -> Tensor:
        """Features of the finest level; `set_aside` holds one tensor for each level but the coarsest, finest first."""
        for up, merge, encoded in reversed(list(zip(self.up, self.merge, set_aside, strict=True))):
            features = merge(up(features), encoded)
        return features
