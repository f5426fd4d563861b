"""Heads: from features to complex object patches."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ptycho_contrib_fno.options import HeadKind


class RealImagHead(nn.Module):
    """Real and imaginary part from one 1x1 convolution, unbounded.

    Maps (B, width, N/patch, N/patch) to (B, channels, N, N) complex64; with `patch` above 1 each feature pixel gives
    patch x patch object pixels. Features of zero give zero; with `zero` all features do, until the head is trained.
    """

    def __init__(self, width: int, channels: int, patch: int = 1, *, zero: bool = False) -> None:
        super().__init__()
        self.patch = patch
        self.projection = nn.Conv2d(width, 2 * channels * patch**2, 1)
        nn.init.zeros_(self.projection.get_parameter("bias"))
        if zero:
            nn.init.zeros_(self.projection.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Complex patches from features."""
        real, imaginary = F.pixel_shuffle(self.projection(features).float(), self.patch).chunk(2, dim=1)
        return torch.complex(real, imaginary)


class AmplitudePhaseHead(nn.Module):
    """Amplitude by a sigmoid and phase by pi·tanh, from two 1x1 convolutions or, with `joint`, from one.

    Maps (B, width, N/patch, N/patch) to (B, channels, N, N) complex64.
    """

    def __init__(self, width: int, channels: int, patch: int = 1, *, joint: bool = False) -> None:
        super().__init__()
        self.patch = patch
        maps = channels * patch**2
        self.projections = nn.ModuleList(
            [nn.Conv2d(width, 2 * maps, 1)] if joint else [nn.Conv2d(width, maps, 1), nn.Conv2d(width, maps, 1)]
        )

    def forward(self, features: Tensor) -> Tensor:
        """Complex patches from features."""
        logits = torch.cat([projection(features) for projection in self.projections], dim=1).float()
        amplitude, phase = F.pixel_shuffle(logits, self.patch).chunk(2, dim=1)
        return torch.polar(torch.sigmoid(amplitude), math.pi * torch.tanh(phase))


def make_head(kind: HeadKind, width: int, channels: int, patch: int = 1, *, zero: bool = False) -> nn.Module:
    """The head named by `kind`; `zero` holds for "real_imag" only, since an amplitude has no untrained zero."""
    if kind == "real_imag":
        return RealImagHead(width, channels, patch, zero=zero)
    return AmplitudePhaseHead(width, channels, patch, joint=kind == "amp_phase_logits")
