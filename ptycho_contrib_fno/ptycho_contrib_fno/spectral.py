"""Spectral convolutions: a learnt complex matrix between channels at each low spatial frequency."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

# The few kept modes are reached by small matrix products instead of FFTs, exact to rounding. Features come and go with
# their channels last in memory, as convolutions want them: then every transform is a product from the left, and nothing
# larger than the kept modes is ever copied.


class SpectralConv(nn.Module):
    """Multiplies the lowest frequencies of an image by learnt matrices between channels and drops all others.

    Maps (B, in_channels, size, size) to (B, out_channels, out_size, out_size), float32; another `out_size` samples the
    same waves on another grid. With `layout` "two_corner" the rows 0..m-1 and -m..-1 of rfft2 are kept, with
    "one_corner" the rows 0..m-1 only; in both the columns 0..m-1, or as many as `columns` says. More modes than the
    sizes hold are left out.

    `weight` is real, (rows, columns, in_channels, out_channels, 2), the last axis real and imaginary part: fused
    Adam refuses complex parameters, and this order is the one in which the mode-wise product needs it. The initial
    weights are complex normal with variance 1/in_channels.

    Li et al., "Fourier neural operator for parametric partial differential equations", ICLR 2021, section 4.
    """

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
        *,
        columns: int | None = None,
        out_size: int | None = None,
    ) -> None:
        super().__init__()
        out_size = out_size or size
        row_frequencies = _row_frequencies(modes, min(size, out_size), layout)
        columns = min(columns or modes, min(size, out_size) // 2 + 1)
        to_rows, from_rows = _phases(row_frequencies, size), _phases(row_frequencies, out_size).T
        _hold(self, "columns_forward", _real_forward(columns, size).T)
        _hold(self, "rows_forward", _real_form(to_rows.cos(), -to_rows.sin()))
        _hold(self, "rows_inverse", _real_form(from_rows.cos(), from_rows.sin()) / size)
        _hold(self, "columns_inverse", _real_inverse(columns, size, out_size).T)
        self.weight = _complex_normal((len(row_frequencies), columns, in_channels, out_channels), 1 / in_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, size, size) to (B, out_channels, out_size, out_size)."""
        # Complex products exist in full precision only, whatever the precision around them.
        with torch.autocast(x.device.type, enabled=False):
            return self._convolve(x.to(self.weight.dtype))

    def _convolve(self, x: Tensor) -> Tensor:
        rows, columns, in_channels, out_channels, _ = self.weight.shape
        batch, _, size, _ = x.shape

        lines = x.permute(0, 2, 3, 1).reshape(batch * size, size, in_channels)
        spectrum = _from_left(self.columns_forward, lines)
        spectrum = _from_left(self.rows_forward, spectrum.view(batch, size * 2, columns * in_channels))

        spectrum = spectrum.view(batch, rows, 2, columns, in_channels).permute(1, 3, 0, 4, 2)
        mixed = torch.bmm(
            torch.view_as_complex(spectrum.reshape(rows * columns, batch, in_channels, 2).contiguous()),
            torch.view_as_complex(self.weight).flatten(0, 1),
        )
        spectrum = torch.view_as_real(mixed).view(rows, columns, batch, out_channels, 2).permute(2, 0, 4, 1, 3)

        spectrum = _from_left(self.rows_inverse, spectrum.reshape(batch, rows * 2, columns * out_channels))
        lines = _from_left(self.columns_inverse, spectrum.view(-1, 2 * columns, out_channels))
        out_size = len(self.columns_inverse)
        return lines.view(batch, out_size, out_size, out_channels).permute(0, 3, 1, 2)


class FactorisedSpectralConv(nn.Module):
    """The sum of two spectral convolutions in one dimension each, along the rows and along the columns of an image.

    Maps (B, channels, size, size) to the same, float32. The frequencies 0..m-1 of rfft are kept along each axis, as
    far as the size holds them. `weight` is real, (axis, modes, channels, channels, 2) as in `SpectralConv`, with the
    axes along x and along y; it starts complex normal with variance 1/channels.

    Tran et al., "Factorized Fourier neural operators", ICLR 2023, section 3.
    """

    transform: Tensor
    inverse: Tensor

    def __init__(self, channels: int, modes: int, size: int) -> None:
        super().__init__()
        modes = min(modes, size // 2 + 1)
        _hold(self, "transform", _real_forward(modes, size))
        _hold(self, "inverse", _real_inverse(modes, size, size))
        self.weight = _complex_normal((2, modes, channels, channels), 1 / channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, size, size) to the same."""
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(self.weight.dtype)
            along_x, along_y = self.weight
            return self._along_rows(x, along_x) + self._along_rows(x.mT, along_y).mT

    def _along_rows(self, x: Tensor, weight: Tensor) -> Tensor:
        batch, channels, size, _ = x.shape
        modes = len(weight)
        spectrum = (x @ self.transform).view(batch, channels, size, 2, modes).permute(4, 0, 2, 1, 3)
        spectrum = torch.view_as_complex(spectrum.reshape(modes, batch * size, channels, 2).contiguous())
        mixed = torch.view_as_real(torch.bmm(spectrum, torch.view_as_complex(weight)))
        spectrum = mixed.view(modes, batch, size, channels, 2).permute(1, 3, 2, 4, 0)
        return spectrum.reshape(batch, channels, size, 2 * modes) @ self.inverse


def _from_left(matrix: Tensor, batch: Tensor) -> Tensor:
    """`matrix` (a, b) times each of a `batch` (M, b, c)."""
    return torch.bmm(matrix.expand(len(batch), -1, -1), batch)


def _hold(module: nn.Module, name: str, matrix: Tensor) -> None:
    """A fixed matrix moves with the module and is not saved with it: the options say what it is."""
    module.register_buffer(name, matrix.float().contiguous(), persistent=False)


def _complex_normal(shape: tuple[int, ...], variance: float) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape, 2) * math.sqrt(variance / 2))


def _phases(frequencies: Tensor, size: int) -> Tensor:
    """(frequencies, size) float64, 2·pi·k·x/size."""
    return 2 * math.pi / size * torch.outer(frequencies, torch.arange(size, dtype=torch.float64))


def _real_form(real: Tensor, imaginary: Tensor) -> Tensor:
    """(2a, 2b): the complex matrix (a, b) for columns of numbers whose real and imaginary parts stand in turn."""
    from_real, from_imaginary = torch.stack([real, imaginary], 1), torch.stack([-imaginary, real], 1)
    return torch.stack([from_real, from_imaginary], -1).flatten(2).flatten(0, 1)


def _real_forward(modes: int, size: int) -> Tensor:
    """(size, 2·modes): a real line times this is the real parts of its frequencies 0..modes-1, then the imaginary."""
    phase = _phases(torch.arange(modes, dtype=torch.float64), size).T
    return torch.cat([phase.cos(), -phase.sin()], 1)


def _real_inverse(modes: int, size: int, out_size: int) -> Tensor:
    """(2·modes, out_size): back from those of a line of `size` pixels to a real line of `out_size`."""
    # A real line has each frequency twice, at +l and -l, except zero and Nyquist.
    twice = torch.full((2 * modes, 1), 2.0, dtype=torch.float64)
    once = [0, modes - 1] if 2 * (modes - 1) == out_size else [0]
    twice.view(2, modes)[:, once] = 1
    return _real_forward(modes, out_size).T * twice / size


def _row_frequencies(modes: int, size: int, layout: Literal["two_corner", "one_corner"]) -> Tensor:
    if layout == "one_corner":
        return torch.arange(min(modes, size), dtype=torch.float64)
    side = min(modes, size // 2)
    return torch.cat([torch.arange(side), torch.arange(-side, 0)]).double()
