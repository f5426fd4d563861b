"""Generator `fno_vanilla`: spectral blocks at full resolution and nothing after them."""

from __future__ import annotations

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
    layout: Layout = "two_corner",
    input_transform: InputTransform = "log1p",
    head: HeadKind = "real_imag",
    lift: Lift = "backprojection",
) -> nn.Module:
    """The plain network: lifter, spectral blocks, head.

    Works for any N. Raises OptionError for a lift with an amplitude-phase head.
    """
    check_lift(lift, head)
    trunk = nn.Sequential(Lifter(input_channels(shape.channels, lift), width))
    for _ in range(blocks):
        trunk.append(SpectralBlock(width, modes, shape.pixels, layout))
    return PatchNetwork(
        trunk,
        make_head(head, width, shape.channels, zero=lift == "backprojection"),
        input_transform,
        lift,
    )
