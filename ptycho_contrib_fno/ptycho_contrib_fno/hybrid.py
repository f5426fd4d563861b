"""Generator `hybrid`: a U-Net whose encoder is made of spectral blocks."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from ptycho_contrib_fno.blocks import Lifter, SpectralBlock
from ptycho_contrib_fno.heads import make_head
from ptycho_contrib_fno.levels import Decoder, Level, descend, downsample, plan_levels
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
    Width,
)
from ptycho_host.contracts import PatchShape


class HybridTrunk(nn.Module):
    """Lifter, encoder with one block a level (the rest at the coarsest), bottleneck with half the modes, decoder.

    The decoder joins the up-sampled features with the encoder's at each level.
    Maps (B, in_channels, N, N) to (B, width, N, N).
    """

    def __init__(
        self, in_channels: int, levels: list[Level], blocks: int, modes: int, layout: Layout, upsampling: Upsampling
    ) -> None:
        super().__init__()
        *finer, coarsest = levels
        self.lifter = Lifter(in_channels, levels[0].channels)
        self.encoder = nn.ModuleList(SpectralBlock(level.channels, modes, level.size, layout) for level in finer)
        self.down = nn.ModuleList(downsample(fine, coarse) for fine, coarse in pairwise(levels))
        self.bottom = nn.Sequential(
            *(SpectralBlock(coarsest.channels, modes, coarsest.size, layout) for _ in range(blocks - len(finer))),
            SpectralBlock(coarsest.channels, max(1, modes // 2), coarsest.size, layout),
        )
        self.decoder = Decoder(levels, upsampling)

    def forward(self, images: Tensor) -> Tensor:
        """Features of the finest level."""
        features, set_aside = descend(self.lifter(images), self.encoder, self.down)
        decoded: Tensor = self.decoder(self.bottom(features), set_aside)
        return decoded


def build(
    shape: PatchShape,
    *,
    width: Width = 32,
    modes: Modes = 12,
    blocks: Blocks = 4,
    downsamplings: Downsamplings = None,
    max_hidden_channels: MaxHiddenChannels = 256,
    upsampling: Upsampling = "pixel_shuffle",
    layout: Layout = "two_corner",
    input_transform: InputTransform = "log1p",
    head: HeadKind = "real_imag",
    lift: Lift = "backprojection",
) -> nn.Module:
    """The U-Net with a down-sampling between any two blocks, as long as features keep 8 x 8 pixels.

    As the reference system has it with `lift="none"` and `input_transform="none"`.
    Uncapped channels cost 276 M parameters at six blocks and 4.4 G at eight, hence `max_hidden_channels`.

    Raises OptionError if N cannot be halved so often, or for a lift with an amplitude-phase head.
    """
    check_lift(lift, head)
    levels = plan_levels(
        shape.pixels,
        patch=1,
        width=width,
        max_hidden_channels=max_hidden_channels,
        blocks=blocks,
        downsamplings=downsamplings,
    )
    return PatchNetwork(
        HybridTrunk(input_channels(shape.channels, lift), levels, blocks, modes, layout, upsampling),
        make_head(head, width, shape.channels, zero=lift == "backprojection"),
        input_transform,
        lift,
    )
