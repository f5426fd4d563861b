"""Generator `ffno`: blocks of factorised spectral convolutions, then local refinement."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ptycho_contrib_fno.blocks import Gate, InstanceNorm, Lifter
from ptycho_contrib_fno.heads import make_head
from ptycho_contrib_fno.network import PatchNetwork, check_lift, input_channels
from ptycho_contrib_fno.options import Blocks, HeadKind, InputTransform, Lift, Modes, Width
from ptycho_contrib_fno.spectral import FactorisedSpectralConv
from ptycho_host.contracts import PatchShape


class FactorisedTrunk(nn.Module):
    """Lifter, blocks y = x + g·W2(GELU(W1(IN(F(x))))), refiners y = x + conv3x3(GELU(conv3x3(x))).

    F is the factorised spectral convolution, one for each block or, with `shared`, one for all; W1 and W2 are 1x1
    convolutions to twice the channels and back, and g is one number. Maps (B, in_channels, N, N) to (B, width, N, N).

    Tran et al., "Factorized Fourier neural operators", ICLR 2023.
    """

    def __init__(
        self, in_channels: int, width: int, modes: int, size: int, blocks: int, refiners: int, *, shared: bool
    ) -> None:
        super().__init__()
        self.lifter = Lifter(in_channels, width)
        self.spectral = nn.ModuleList(
            FactorisedSpectralConv(width, modes, size) for _ in range(1 if shared else blocks)
        )
        self.updates = nn.ModuleList(
            nn.Sequential(
                InstanceNorm(width),
                nn.Conv2d(width, 2 * width, 1),
                nn.GELU(),
                nn.Conv2d(2 * width, width, 1),
                Gate(),
            )
            for _ in range(blocks)
        )
        self.refiners = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.GELU(), nn.Conv2d(width, width, 3, padding=1))
            for _ in range(refiners)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Features of the images."""
        features: Tensor = self.lifter(images)
        for index, update in enumerate(self.updates):
            spectral = self.spectral[index % len(self.spectral)]
            features = features + update(spectral(features))
        for refiner in self.refiners:
            features = features + refiner(features)
        return features


def build(
    shape: PatchShape,
    *,
    width: Width = 32,
    modes: Modes = 12,
    blocks: Blocks = 4,
    share_spectral: Annotated[
        bool, Field(description="One factorised spectral convolution for all blocks instead of one each.")
    ] = False,
    refiners: Annotated[int, Field(ge=0, description="Residual pairs of 3x3 convolutions after the blocks.")] = 2,
    input_transform: InputTransform = "log1p",
    head: HeadKind = "real_imag",
    lift: Lift = "backprojection",
) -> nn.Module:
    """The smallest of the operators: a spectral convolution costs 2·modes matrices of width² instead of 2·modes².

    Works for any N. Raises OptionError for a lift with an amplitude-phase head.
    """
    check_lift(lift, head)
    in_channels = input_channels(shape.channels, lift)
    return PatchNetwork(
        FactorisedTrunk(in_channels, width, modes, shape.pixels, blocks, refiners, shared=share_spectral),
        make_head(head, width, shape.channels, zero=lift == "backprojection"),
        input_transform,
        lift,
    )
