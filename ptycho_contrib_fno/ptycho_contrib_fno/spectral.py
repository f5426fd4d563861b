"""Spectral convolution: a learnt complex matrix between channels at each low spatial frequency."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn


class SpectralConv(nn.Module):
    """Multiplies the lowest frequencies of an image by learnt matrices between channels and drops all others.

    Maps (B, in_channels, size, size) to (B, out_channels, size, size), float32. With `layout` "two_corner" the rows
    0..m-1 and -m..-1 of rfft2 are kept, with "one_corner" the rows 0..m-1 only; in both the columns 0..m-1. More
    modes than the size holds are left out.

    `weight` is real, (rows, columns, in_channels, out_channels, 2), the last axis real and imaginary part: fused
    Adam refuses complex parameters, and this order is the one in which the mode-wise product needs it. The initial
    weights are complex normal with variance 1/in_channels.

    Li et al., "Fourier neural operator for parametric partial differential equations", ICLR 2021, section 4.
    """

    # The few kept modes are reached by small matrix products instead of FFTs. Between the two row transforms the
    # axes stand as (frequency, batch, channel), so that each of the transforms and the mixing is one large product.

    columns_forward: Tensor
    columns_inverse: Tensor
    rows_forward: Tensor
    rows_inverse: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        modes: int,
        size: int,
        layout: Literal["two_corner", "one_corner"] = "two_corner",
    ) -> None:
        super().__init__()
        row_frequencies = _row_frequencies(modes, size, layout)
        columns = min(modes, size // 2 + 1)
        position = torch.arange(size, dtype=torch.float64)
        row_phase = 2 * math.pi / size * torch.outer(row_frequencies, position)
        column_phase = 2 * math.pi / size * torch.outer(position, torch.arange(columns, dtype=torch.float64))

        rows_forward = torch.stack([row_phase.cos(), -row_phase.sin()], -1)
        rows_inverse = torch.stack([row_phase.cos(), row_phase.sin()], -1).transpose(0, 1) / size
        columns_forward = torch.stack([column_phase.cos(), -column_phase.sin()], -1)
        # A real image has each column frequency twice, at +l and -l, except zero and Nyquist.
        twice = torch.full((columns, 1), 2.0, dtype=torch.float64)
        twice[0] = 1
        if 2 * (columns - 1) == size:
            twice[-1] = 1
        columns_inverse = columns_forward * twice / size

        for name, matrix in {
            "rows_forward": rows_forward,
            "rows_inverse": rows_inverse,
            "columns_forward": columns_forward.flatten(1),
            "columns_inverse": columns_inverse.flatten(1).T,
        }.items():
            self.register_buffer(name, matrix.float().contiguous(), persistent=False)

        shape = (len(row_frequencies), columns, in_channels, out_channels, 2)
        self.weight = nn.Parameter(torch.randn(shape) / math.sqrt(2 * in_channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, size, size) to (B, out_channels, size, size)."""
        # Complex products exist in full precision only, whatever the precision around them.
        with torch.autocast(x.device.type, enabled=False):
            return self._convolve(x.to(self.weight.dtype))

    def _convolve(self, x: Tensor) -> Tensor:
        batch, _, size, _ = x.shape
        rows, columns, in_channels, out_channels, _ = self.weight.shape

        spectrum = torch.view_as_complex((x @ self.columns_forward).view(batch, in_channels, size, columns, 2))
        spectrum = spectrum.permute(2, 3, 0, 1).reshape(size, -1)
        spectrum = torch.view_as_complex(self.rows_forward) @ spectrum

        mixing = torch.view_as_complex(self.weight).flatten(0, 1)
        spectrum = torch.bmm(spectrum.view(rows * columns, batch, in_channels), mixing)

        spectrum = torch.view_as_complex(self.rows_inverse) @ spectrum.view(rows, -1)
        spectrum = spectrum.view(size, columns, batch, out_channels).permute(2, 3, 0, 1)
        return torch.view_as_real(spectrum).flatten(-2) @ self.columns_inverse


def _row_frequencies(modes: int, size: int, layout: Literal["two_corner", "one_corner"]) -> Tensor:
    if layout == "one_corner":
        return torch.arange(min(modes, size), dtype=torch.float64)
    side = min(modes, size // 2)
    return torch.cat([torch.arange(side), torch.arange(-side, 0)]).double()
