"""Generator `uno`: a U-shaped neural operator of four layers, the inner two at half the size and twice the width."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ptycho_contrib_fno.heads import make_head
from ptycho_contrib_fno.network import PatchNetwork, check_lift, input_channels
from ptycho_contrib_fno.options import HeadKind, InputTransform, Lift, Modes, Width
from ptycho_contrib_fno.spectral import SpectralConv
from ptycho_host.contracts import PatchShape


class Resample(nn.Module):
    """Bicubic interpolation from (B, C, size, size) to (B, C, out_size, out_size), corners on corners."""

    matrix: Tensor

    def __init__(self, size: int, out_size: int) -> None:
        super().__init__()
        # Two products with a matrix take a fifth of the time of Torch's interpolation on a CPU.
        lines = torch.eye(size)[None, None]
        matrix = F.interpolate(lines, size=(out_size, size), mode="bicubic", align_corners=True)
        self.register_buffer("matrix", matrix[0, 0], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The features on the other grid."""
        return self.matrix @ x @ self.matrix.T


class OperatorLayer(nn.Module):
    """y = MLP(S(x) + R(W1(x))) + R(W2(x)): (B, channels, size, size) to (B, out_channels, out_size, out_size).

    S is a spectral convolution onto the new grid, W1 and W2 are 1x1 convolutions, R is bicubic interpolation to the
    new grid, and the MLP acts on the channels of each pixel, with half as many between.
    """

    def __init__(self, channels: int, out_channels: int, modes: int, size: int, out_size: int) -> None:
        super().__init__()
        # The column of frequency `modes` is kept too: the rows reach from -modes to modes - 1.
        self.spectral = SpectralConv(channels, out_channels, modes, size, columns=modes + 1, out_size=out_size)
        self.skip = nn.Conv2d(channels, out_channels, 1)
        self.mlp_skip = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.resample = nn.Identity() if size == out_size else Resample(size, out_size)
        hidden = max(1, out_channels // 2)
        self.mlp = nn.Sequential(nn.Conv2d(out_channels, hidden, 1), nn.GELU(), nn.Conv2d(hidden, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Features on the new grid."""
        mixed = self.spectral(x) + self.resample(self.skip(x))
        features: Tensor = self.mlp(mixed) + self.resample(self.mlp_skip(x))
        return features


class OperatorTrunk(nn.Module):
    """Positions, lifting, layers w, 2w, 2w, w at sizes N, N/2, N/2, N with skips across, first half of the projection.

    The third layer also sees the output of the second and the last that of the first, brought to its grid.
    Maps (B, in_channels, N, N) to (B, projection_channels, N, N); the head is the second half of the projection.

    Rahman et al., "U-NO: U-shaped neural operators", TMLR 2023; layers as in neuraloperator 2.0.0 by default.
    """

    positions: Tensor

    def __init__(
        self, in_channels: int, width: int, modes: int, size: int, lifting_channels: int, projection_channels: int
    ) -> None:
        super().__init__()
        half = round(size / 2)
        line = torch.arange(size) / size
        self.register_buffer("positions", torch.stack(torch.meshgrid(line, line, indexing="ij")), persistent=False)
        self.lifting = nn.Sequential(
            nn.Conv2d(in_channels + 2, lifting_channels, 1), nn.GELU(), nn.Conv2d(lifting_channels, width, 1)
        )
        self.layers = nn.ModuleList(
            [
                OperatorLayer(width, width, modes, size, size),
                OperatorLayer(width, 2 * width, modes, size, half),
                OperatorLayer(4 * width, 2 * width, modes, half, half),
                OperatorLayer(3 * width, width, modes, half, size),
            ]
        )
        self.across_fine = nn.Sequential(nn.Conv2d(width, width, 1, bias=False), Resample(size, half))
        self.across_coarse = nn.Conv2d(2 * width, 2 * width, 1, bias=False)
        self.projection = nn.Sequential(nn.Conv2d(width, projection_channels, 1), nn.GELU())

    def forward(self, images: Tensor) -> Tensor:
        """Features of the images."""
        first, second, third, last = self.layers
        fine = first(self.lifting(torch.cat([images, self.positions.expand(len(images), -1, -1, -1)], dim=1)))
        coarse = second(fine)
        inner = third(torch.cat([coarse, self.across_coarse(coarse)], dim=1))
        features: Tensor = self.projection(last(torch.cat([inner, self.across_fine(fine)], dim=1)))
        return features


def build(
    shape: PatchShape,
    *,
    width: Width = 32,
    modes: Modes = 6,
    lifting_channels: Annotated[int, Field(ge=1, description="Channels inside the lifting from images.")] = 128,
    projection_channels: Annotated[int, Field(ge=1, description="Channels before the head.")] = 128,
    input_transform: InputTransform = "log1p",
    head: HeadKind = "real_imag",
    lift: Lift = "backprojection",
) -> nn.Module:
    """The U-shaped operator; its positions tell it where in the pattern and in the probe a pixel lies.

    Works for any N. Raises OptionError for a lift with an amplitude-phase head.
    """
    check_lift(lift, head)
    in_channels = input_channels(shape.channels, lift)
    return PatchNetwork(
        OperatorTrunk(in_channels, width, modes, shape.pixels, lifting_channels, projection_channels),
        make_head(head, projection_channels, shape.channels, zero=lift == "backprojection"),
        input_transform,
        lift,
    )
