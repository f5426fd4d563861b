"""Generator `stable_hybrid`: a fast U-Net of normalised spectral blocks that starts as the back-projection."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from ptycho_contrib_fno.blocks import Lifter, StableBlock
from ptycho_contrib_fno.heads import make_head
from ptycho_contrib_fno.levels import Decoder, Level, downsample, plan_levels
from ptycho_contrib_fno.network import PatchNetwork, check_lift, input_channels
from ptycho_contrib_fno.options import (
    Blocks,
    Downsamplings,
    HeadKind,
    InputTransform,
    Layout,
    Lift,
    MaxHiddenChannels,
    Modes,
    Upsampling,
)
from ptycho_host.contracts import PatchShape

Stabiliser = Annotated[
    Literal["zero_gamma", "layer_scale"],
    Field(description="Every block starts as the identity, or with its update scaled by 1e-3."),
]
Preset = Annotated[
    Literal["default", "small"],
    Field(description="Width where none is set: 32, or 16, which trains more than twice as fast and blurs a little."),
]
PRESET_WIDTHS: dict[Preset, int] = {"default": 32, "small": 16}
COARSEST_FEATURES = 16
"""Unless told otherwise, features are halved down to this many pixels a side."""


class StableTrunk(nn.Module):
    """The trunk of `hybrid` with stable blocks, whose decoder can start from what the blocks *added*.

    On each level the decoder reads (blocks(x) - x) + carry(x), with `carry` a 1x1 convolution that starts as the
    identity (the plain U-Net) or, with `only_updates`, at zero. Then untrained zero-gamma blocks make the output
    exactly zero, and still the gradient reaches every block's norm in the first step; a zero head would hold it back
    for one step more.
    Maps (B, in_channels, N, N) to (B, width, N/patch, N/patch).
    """

    def __init__(
        self,
        in_channels: int,
        levels: list[Level],
        blocks: int,
        modes: int,
        layout: Layout,
        stabiliser: Stabiliser,
        upsampling: Upsampling,
        patch: int,
        *,
        only_updates: bool,
    ) -> None:
        super().__init__()
        *finer, coarsest = levels

        def block(level: Level, modes: int) -> StableBlock:
            return StableBlock(level.channels, modes, level.size, layout, stabiliser)

        self.lifter = Lifter(in_channels, levels[0].channels, patch)
        self.encoder = nn.ModuleList(block(level, modes) for level in finer)
        self.down = nn.ModuleList(downsample(fine, coarse) for fine, coarse in pairwise(levels))
        self.bottom = nn.Sequential(
            *(block(coarsest, modes) for _ in range(blocks - len(finer))), block(coarsest, max(1, modes // 2))
        )
        self.decoder = Decoder(levels, upsampling)
        self.carry = nn.ModuleList(nn.Conv2d(level.channels, level.channels, 1, bias=False) for level in levels)
        initialise = nn.init.zeros_ if only_updates else nn.init.dirac_
        for weight in self.carry.parameters():
            initialise(weight)
        for name, parameter in self.decoder.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        """Features of the finest level."""
        features: Tensor = self.lifter(images)
        set_aside = []
        for block, down, carry in zip(self.encoder, self.down, self.carry[:-1], strict=True):
            updated = block(features)
            set_aside.append(updated - features + carry(features))
            features = down(updated)
        features = self.bottom(features) - features + self.carry[-1](features)
        decoded: Tensor = self.decoder(features, set_aside)
        return decoded


def build(
    shape: PatchShape,
    *,
    preset: Preset = "default",
    width: Annotated[
        int | None, Field(ge=1, description="Feature channels at the finest level; the preset's if not set.")
    ] = None,
    modes: Modes = 8,
    blocks: Blocks = 4,
    stem: Annotated[
        int, Field(ge=1, le=8, description="Pixels a side that one feature pixel stands for at the finest level.")
    ] = 2,
    downsamplings: Downsamplings = None,
    max_hidden_channels: MaxHiddenChannels = 128,
    stabiliser: Stabiliser = "zero_gamma",
    upsampling: Upsampling = "transposed",
    layout: Layout = "two_corner",
    input_transform: InputTransform = "log1p",
    head: HeadKind = "real_imag",
    lift: Lift = "backprojection",
) -> nn.Module:
    """The network whose untrained output is exactly the back-projection.

    With zero-gamma blocks the decoder starts from their updates alone, which are zero; with layer scale the head
    starts at zero. Either way every parameter has a gradient in the second step at the latest. Without lift the
    decoder starts as that of the plain U-Net. Up-sampling is transposed by default: with kernel and stride 2 nothing
    overlaps, and it trains a tenth faster on a CPU.

    Raises OptionError if N cannot be divided as `stem` and `downsamplings` need, or for a lift with an
    amplitude-phase head.
    """
    check_lift(lift, head)
    levels = plan_levels(
        shape.pixels,
        patch=stem,
        width=width or PRESET_WIDTHS[preset],
        max_hidden_channels=max_hidden_channels,
        blocks=blocks,
        downsamplings=downsamplings,
        coarsest=COARSEST_FEATURES,
    )
    lifted = lift == "backprojection"
    return PatchNetwork(
        StableTrunk(
            input_channels(shape.channels, lift),
            levels,
            blocks,
            modes,
            layout,
            stabiliser,
            upsampling,
            patch=stem,
            only_updates=lifted and stabiliser == "zero_gamma",
        ),
        make_head(head, levels[0].channels, shape.channels, stem, zero=lifted and stabiliser == "layer_scale"),
        input_transform,
        lift,
    )
