"""Generator `hybrid_resnet`: a spectral encoder, residual blocks at its coarsest level, and a convolutional decoder."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from ptycho_contrib_fno.blocks import Gate, InstanceNorm, Lifter, SpectralBlock
from ptycho_contrib_fno.heads import make_head
from ptycho_contrib_fno.levels import Level, Merge, descend, downsample, plan_levels
from ptycho_contrib_fno.network import PatchNetwork, check_lift, input_channels
from ptycho_contrib_fno.options import (
    Downsampling,
    HeadKind,
    InputTransform,
    Layout,
    Lift,
    Modes,
    Width,
)
from ptycho_host.contracts import PatchShape

Skips = Annotated[
    Literal["none", "add", "gated", "concat"],
    Field(
        description="How the decoder joins what the encoder set aside: not at all, by addition, by addition scaled "
        "by one learnt number a level (0.1 at first), or by two 3x3 convolutions of both."
    ),
]


class ResidualBlock(nn.Module):
    """y = x + g·IN(conv3x3(GELU(IN(conv3x3(x))))), features mirrored at the edge, one number g that starts at 0.1.

    The convolutions have no bias, which the norms would take away. Maps (B, channels, size, size) to the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.update = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False),
            InstanceNorm(channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False),
            InstanceNorm(channels),
            Gate(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Features with the block's update added."""
        features: Tensor = x + self.update(x)
        return features


class Addition(nn.Module):
    """What comes up plus what was set aside, the latter through `gate`; both (B, channels, size, size)."""

    def __init__(self, gate: nn.Module) -> None:
        super().__init__()
        self.gate = gate

    def forward(self, coming_up: Tensor, set_aside: Tensor) -> Tensor:
        """Features of the same shape as either."""
        features: Tensor = coming_up + self.gate(set_aside)
        return features


class WithoutSkip(nn.Module):
    """What comes up, whatever was set aside."""

    def forward(self, coming_up: Tensor, set_aside: Tensor) -> Tensor:
        """The features that come up."""
        return coming_up


def join(kind: Skips, channels: int) -> nn.Module:
    """What joins two features of the same shape; `kind` as described in the options."""
    match kind:
        case "none":
            return WithoutSkip()
        case "add":
            return Addition(nn.Identity())
        case "gated":
            return Addition(Gate())
        case "concat":
            return Merge(channels)


def upsample(channels: int, fine: Level) -> nn.Module:
    """From `channels` of half the size to the finer level: transposed convolution of kernel 4, instance norm, GELU."""
    return nn.Sequential(
        nn.ConvTranspose2d(channels, fine.channels, 4, stride=2, padding=1, bias=False),
        InstanceNorm(fine.channels),
        nn.GELU(),
    )


class ResidualTrunk(nn.Module):
    """Lifter, a spectral block before each halving and the rest after the last, residual blocks, decoder.

    Maps (B, in_channels, N, N) to (B, width, N, N).
    """

    def __init__(
        self,
        in_channels: int,
        levels: list[Level],
        blocks: int,
        modes: int,
        layout: Layout,
        downsampling: Downsampling,
        residual_blocks: int,
        residual_channels: int | None,
        skips: Skips,
    ) -> None:
        super().__init__()
        *finer, coarsest = levels
        residual_channels = residual_channels or coarsest.channels

        def block(level: Level) -> SpectralBlock:
            return SpectralBlock(level.channels, modes, level.size, layout, "reflect")

        self.lifter = Lifter(in_channels, levels[0].channels)
        self.encoder = nn.ModuleList(block(level) for level in finer)
        self.down = nn.ModuleList(downsample(fine, coarse, downsampling) for fine, coarse in pairwise(levels))
        self.bottom = nn.Sequential(*(block(coarsest) for _ in range(blocks - len(finer))))
        if residual_channels != coarsest.channels:
            self.bottom.append(nn.Conv2d(coarsest.channels, residual_channels, 1))
        self.bottom.extend(ResidualBlock(residual_channels) for _ in range(residual_blocks))
        incoming = [*(level.channels for level in finer[1:]), residual_channels]
        self.up = nn.ModuleList(upsample(channels, fine) for channels, fine in zip(incoming, finer, strict=True))
        self.join = nn.ModuleList(join(skips, level.channels) for level in finer)

    def forward(self, images: Tensor) -> Tensor:
        """Features of the finest level."""
        features: Tensor
        features, set_aside = descend(self.lifter(images), self.encoder, self.down)
        features = self.bottom(features)
        for up, join_features, encoded in reversed(list(zip(self.up, self.join, set_aside, strict=True))):
            features = join_features(up(features), encoded)
        return features


def build(
    shape: PatchShape,
    *,
    width: Width = 32,
    modes: Modes = 12,
    blocks: Annotated[int, Field(ge=3, description="Spectral blocks, one a level and the rest at the coarsest.")] = 4,
    downsamplings: Annotated[int, Field(ge=1, description="Times that the features are halved in size.")] = 2,
    downsampling: Downsampling = "strided",
    residual_blocks: Annotated[int, Field(ge=1, description="Residual blocks at the coarsest level.")] = 6,
    residual_channels: Annotated[
        int | None,
        Field(ge=1, description="Channels of the residual blocks; those of the coarsest level if not set."),
    ] = None,
    skips: Skips = "none",
    layout: Layout = "two_corner",
    input_transform: InputTransform = "log1p",
    head: HeadKind = "real_imag",
    lift: Lift = "backprojection",
) -> nn.Module:
    """The reference system's best network at N = 128: most of the work is done by residual blocks at N/4.

    Channels double with each halving, without a cap.

    Raises OptionError if N cannot be halved so often, or for a lift with an amplitude-phase head.
    """
    check_lift(lift, head)
    levels = plan_levels(
        shape.pixels,
        patch=1,
        width=width,
        max_hidden_channels=width * 2**blocks,
        blocks=blocks,
        downsamplings=downsamplings,
    )
    return PatchNetwork(
        ResidualTrunk(
            input_channels(shape.channels, lift),
            levels,
            blocks,
            modes,
            layout,
            downsampling,
            residual_blocks,
            residual_channels,
            skips,
        ),
        make_head(head, width, shape.channels, zero=lift == "backprojection"),
        input_transform,
        lift,
    )
