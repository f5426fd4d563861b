"""The U-shaped operator against neuraloperator's, weight by weight."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ptycho_contrib_fno import uno
from ptycho_contrib_fno.spectral import SpectralConv
from ptycho_host.contracts import GeneratorInputs, PatchShape


@pytest.mark.parametrize(("size", "out_size"), [(16, 8), (8, 16), (9, 4), (4, 9)])
def test_resampling_is_bicubic_interpolation(size: int, out_size: int) -> None:
    x = torch.randn(2, 3, size, size)
    expected = F.interpolate(x, size=(out_size, out_size), mode="bicubic", align_corners=True)
    # Sums of sixteen terms of order one in another order.
    torch.testing.assert_close(uno.Resample(size, out_size)(x), expected, rtol=0, atol=1e-5)


def test_a_pixel_knows_where_it_lies() -> None:
    network = uno.build(PatchShape(16), width=4, lift="none", input_transform="none")
    uniform = torch.ones(1, 1, 16, 16)
    patches = network(GeneratorInputs(uniform, torch.zeros(1, 1, 16, 16, dtype=torch.complex64)))
    assert patches.abs().std() > 1e-4


@pytest.mark.slow  # the first import of neuraloperator takes long
@pytest.mark.parametrize("size", [64, 36])
def test_equals_neuraloperator_with_the_same_weights(size: int, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own imports are not our concern
        peer = pytest.importorskip("neuralop.models.uno")
        theirs = peer.UNO(
            in_channels=1,
            out_channels=2,
            hidden_channels=8,
            lifting_channels=12,
            projection_channels=10,
            n_layers=4,
            uno_out_channels=[8, 16, 16, 8],
            uno_n_modes=[[12, 12]] * 4,
            uno_scalings=[[1, 1], [0.5, 0.5], [1, 1], [2, 2]],
            channel_mlp_skip="linear",
        )
    capsys.readouterr()  # it prints
    for block, scaling in zip(theirs.fno_blocks, (1, 0.5, 1, 2), strict=True):
        block.convs[0].forward = _mended(block.convs[0].forward, scaling)
    ours = uno.build(
        PatchShape(size), width=8, lifting_channels=12, projection_channels=10, input_transform="none", lift="none"
    )
    with torch.no_grad():
        _copy(ours, theirs)
    assert _count(ours) == sum(parameter.numel() for parameter in theirs.parameters())
    amplitude = torch.rand(2, 1, size, size)
    real, imaginary = theirs(amplitude).chunk(2, dim=1)
    patches = ours(GeneratorInputs(amplitude, torch.zeros_like(amplitude, dtype=torch.complex64)))
    # Single precision through four layers, transforms by other means.
    torch.testing.assert_close(patches, torch.complex(real, imaginary), rtol=0, atol=1e-4)
    assert patches.abs().max() > 0.01


def _mended(convolve: Callable[..., Tensor], scaling: float) -> Callable[..., Tensor]:
    """The peer's convolution on the grid of its input, then its waves on the grid of the output.

    By itself neuraloperator 2.0.0 pads or cuts the rows of the spectrum behind the last one, so that on another grid
    negative frequencies turn into high positive ones or are lost.
    """

    def convolve_and_resample(x: Tensor, output_shape: tuple[int, int] | None = None) -> Tensor:
        size = x.shape[-1]
        out_size = output_shape[0] if output_shape else round(size * scaling)
        same = convolve(x, output_shape=x.shape[-2:])
        spectrum = torch.fft.fftshift(torch.fft.fft2(same, norm="forward"), dim=(-2, -1))
        change = out_size // 2 - size // 2, (out_size + 1) // 2 - (size + 1) // 2
        spectrum = torch.fft.ifftshift(F.pad(spectrum, 2 * change), dim=(-2, -1))
        return torch.fft.ifft2(spectrum, norm="forward").real

    return convolve_and_resample


def _count(network: nn.Module) -> int:
    """Parameters, with a complex weight counted as one, as neuraloperator counts."""
    complex_weights = sum(layer.weight.numel() for layer in network.modules() if isinstance(layer, SpectralConv)) // 2
    return sum(parameter.numel() for parameter in network.parameters()) - complex_weights


def _copy(ours: nn.Module, theirs: nn.Module) -> None:
    """Give the peer our weights."""
    trunk = ours.trunk

    def linear(source: nn.Module, target: nn.Module, *, bias: bool = True) -> None:
        target.weight.copy_(source.weight.flatten(2))
        if bias:
            target.bias.copy_(source.bias)

    linear(trunk.lifting[0], theirs.lifting.fcs[0])
    linear(trunk.lifting[2], theirs.lifting.fcs[1])
    linear(trunk.projection[0], theirs.projection.fcs[0])
    linear(ours.head.projection, theirs.projection.fcs[1])
    linear(trunk.across_fine[0], theirs.horizontal_skips["0"].conv, bias=False)
    linear(trunk.across_coarse, theirs.horizontal_skips["1"].conv, bias=False)
    for layer, block in zip(trunk.layers, theirs.fno_blocks, strict=True):
        weight: Tensor = torch.view_as_complex(layer.spectral.weight.detach()).permute(2, 3, 0, 1)
        block.convs[0].weight.tensor.copy_(torch.fft.fftshift(weight, dim=2))
        block.convs[0].bias.copy_(layer.skip.bias[:, None, None])
        linear(layer.skip, block.fno_skips[0].conv, bias=False)
        linear(layer.mlp_skip, block.channel_mlp_skips[0].conv, bias=False)
        linear(layer.mlp[0], block.channel_mlp[0].fcs[0])
        linear(layer.mlp[2], block.channel_mlp[0].fcs[1])
