"""Generator `fno`: spectral blocks at full resolution, then local convolutions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from ptycho_contrib_fno.blocks import Lifter, SpectralBlock
from ptycho_contrib_fno.heads import make_head
from ptycho_contrib_fno.network import PatchNetwork, check_lift, input_channels
from ptycho_contrib_fno.options import Blocks, HeadKind, InputTransform, Layout, Lift, Modes, Width
from ptycho_host.contracts import PatchShape


def build(
    shape: PatchShape,
    *,
    width: Width = 32,
    modes: Modes = 12,
    blocks: Blocks = 4,
    cnn_blocks: Annotated[int, Field(ge=0, description="3x3 convolutions after the spectral blocks.")] = 2,
    layout: Layout = "two_corner",
    input_transform: InputTransform = "log1p",
    head: HeadKind = "real_imag",
    lift: Lift = "backprojection",
) -> nn.Module:
    """The cascaded network: lifter, spectral blocks, 1x1 convolution, 3x3 convolutions with GELU, head.

    As the reference system has it with `lift="none"` and `input_transform="none"`. Works for any N. Raises
    OptionError for a lift with an amplitude-phase head.
    """
    check_lift(lift, head)
    trunk = nn.Sequential(Lifter(input_channels(shape.channels, lift), width))
    for _ in range(blocks):
        trunk.append(SpectralBlock(width, modes, shape.pixels, layout))
    trunk.append(nn.Conv2d(width, width, 1))
    for _ in range(cnn_blocks):
        trunk.extend([nn.Conv2d(width, width, 3, padding=1), nn.GELU()])
    return PatchNetwork(
        trunk,
        make_head(head, width, shape.channels, zero=lift == "backprojection"),
        input_transform,
        lift,
    )
