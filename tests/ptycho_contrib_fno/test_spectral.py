"""The spectral convolution against FFTs, analytic images and an independent implementation."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from torch import Tensor, nn

from ptycho_contrib_fno.spectral import FactorisedSpectralConv, SpectralConv


def by_fft(layer: SpectralConv, x: Tensor, rows: list[int]) -> Tensor:
    """The definition, mode by mode: rfft2, a matrix on each kept frequency, irfft2."""
    weight = torch.view_as_complex(layer.weight)
    spectrum = torch.fft.rfft2(x)
    kept = torch.zeros(len(x), weight.shape[3], *spectrum.shape[2:], dtype=spectrum.dtype)
    for i, row in enumerate(rows):
        for column in range(weight.shape[1]):
            kept[:, :, row, column] = spectrum[:, :, row, column] @ weight[i, column]
    return torch.fft.irfft2(kept, s=x.shape[-2:])


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("modes", [1, 3, 4, 20])
def test_two_corners_equal_the_dense_transform(size: int, modes: int) -> None:
    layer = SpectralConv(3, 2, modes, size).double()
    x = torch.randn(2, 3, size, size, dtype=torch.float64)
    side = min(modes, size // 2)
    expected = by_fft(layer, x, [*range(side), *range(-side, 0)])
    # The transform matrices are stored in single precision.
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("modes", [3, 8, 12])
def test_one_corner_keeps_rows_that_are_not_negative(modes: int) -> None:
    layer = SpectralConv(3, 2, modes, 8, "one_corner").double()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(layer(x), by_fft(layer, x, [*range(min(modes, 8))]), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("size", "out_size"), [(16, 8), (8, 16), (9, 5), (8, 13)])
@pytest.mark.parametrize("modes", [2, 8])
def test_another_grid_samples_the_same_waves(size: int, out_size: int, modes: int) -> None:
    layer = SpectralConv(2, 3, modes, size, columns=modes + 1, out_size=out_size).double()
    x = torch.randn(2, 2, size, size, dtype=torch.float64)
    weight = torch.view_as_complex(layer.weight)
    spectrum = torch.fft.rfft2(x, norm="forward")
    kept = torch.zeros(2, 3, out_size, out_size // 2 + 1, dtype=spectrum.dtype)
    side, columns = min(modes, size // 2, out_size // 2), min(modes + 1, size // 2 + 1, out_size // 2 + 1)
    assert weight.shape[:2] == (2 * side, columns)
    for i, row in enumerate([*range(side), *range(-side, 0)]):
        for column in range(columns):
            kept[:, :, row, column] = spectrum[:, :, row, column] @ weight[i, column]
    expected = torch.fft.irfft2(kept, s=(out_size, out_size), norm="forward")
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("modes", [1, 3, 20])
def test_a_factorised_convolution_is_a_sum_of_one_along_each_axis(size: int, modes: int) -> None:
    layer = FactorisedSpectralConv(3, modes, size).double()
    x = torch.randn(2, 3, size, size, dtype=torch.float64)

    def along_rows(x: Tensor, weight: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(x)
        kept = torch.zeros_like(spectrum)
        kept[..., : len(weight)] = torch.einsum("bcym,mcd->bdym", spectrum[..., : len(weight)], weight)
        return torch.fft.irfft(kept, n=size)

    along_x, along_y = torch.view_as_complex(layer.weight)
    assert len(along_x) == min(modes, size // 2 + 1)
    expected = along_rows(x, along_x) + along_rows(x.mT, along_y).mT
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-6)


def test_modes_are_capped_to_what_the_size_holds() -> None:
    assert SpectralConv(1, 1, 12, 16).weight.shape == (16, 9, 1, 1, 2)
    assert SpectralConv(1, 1, 12, 64).weight.shape == (24, 12, 1, 1, 2)


def test_a_wave_is_scaled_and_shifted_by_its_own_weight() -> None:
    size, row, column = 32, -3, 2
    layer = SpectralConv(1, 1, 4, size)
    with torch.no_grad():
        layer.weight.zero_()
        # Rows stand as 0, 1, 2, 3, -4, -3, -2, -1.
        layer.weight[5, column, 0, 0] = torch.tensor([1.5 * math.cos(0.7), 1.5 * math.sin(0.7)])
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    phase = 2 * math.pi * (row * y + column * x) / size
    other = torch.cos(2 * math.pi * (3 * y + column * x) / size)
    # Single precision, sums over 1,024 pixels of order one.
    torch.testing.assert_close(
        layer((phase.cos() + other)[None, None])[0, 0], 1.5 * torch.cos(phase + 0.7), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("layout", ["two_corner", "one_corner"])
def test_a_translated_image_gives_a_translated_result(layout: str) -> None:
    layer = SpectralConv(2, 3, 5, 16, layout)
    x = torch.randn(1, 2, 16, 16)
    moved = layer(x.roll((3, -5), (-2, -1)))
    torch.testing.assert_close(moved, layer(x).roll((3, -5), (-2, -1)), rtol=0, atol=1e-5)


def test_gradients_equal_finite_differences() -> None:
    layer = SpectralConv(2, 2, 2, 6).double()
    x = torch.randn(1, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    weight = layer.weight.detach().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, weight: torch.func.functional_call(layer, {"weight": weight}, x), (x, weight)
    )


@pytest.mark.parametrize("layer", [SpectralConv(2, 2, 4, 16), FactorisedSpectralConv(2, 4, 16)])
def test_low_precision_around_it_changes_nothing(layer: nn.Module) -> None:
    x = torch.randn(1, 2, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lowered = layer(x)
    assert torch.equal(lowered, layer(x))


@pytest.mark.parametrize("layer", [SpectralConv(2, 2, 4, 16), FactorisedSpectralConv(2, 4, 16)])
def test_weights_are_real_and_alone_in_the_saved_state(layer: nn.Module) -> None:
    assert list(layer.state_dict()) == ["weight"]
    assert layer.weight.dtype == torch.float32
    optimiser = torch.optim.Adam(layer.parameters(), fused=True)
    layer(torch.randn(1, 2, 16, 16)).sum().backward()
    optimiser.step()


@pytest.mark.slow  # the first import of neuraloperator takes long
@pytest.mark.parametrize(("size", "modes"), [(16, 5), (16, 8), (32, 8)])
def test_equals_neuraloperator_with_the_same_weights(size: int, modes: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own imports are not our concern
        peer = pytest.importorskip("neuralop.layers.spectral_convolution")
        # It keeps n//2 + 1 of the n columns asked for.
        theirs = peer.SpectralConv(3, 4, (2 * modes, 2 * (modes - 1)), bias=False)
    ours = SpectralConv(3, 4, modes, size)
    weight = torch.view_as_complex(ours.weight.detach()).permute(2, 3, 0, 1)
    with torch.no_grad():
        theirs.weight.tensor.copy_(torch.fft.fftshift(weight, dim=2))
    x = torch.randn(2, 3, size, size)
    # Both in single precision.
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_factorised_convolution_equals_neuraloperators_in_one_dimension() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = pytest.importorskip("neuralop.layers.spectral_convolution")
        theirs = [peer.SpectralConv(3, 3, (2 * (5 - 1),), bias=False) for _ in range(2)]
    ours = FactorisedSpectralConv(3, 5, 16)
    with torch.no_grad():
        for layer, weight in zip(theirs, torch.view_as_complex(ours.weight.detach()), strict=True):
            layer.weight.tensor.copy_(weight.permute(1, 2, 0))
    x = torch.randn(2, 3, 16, 16)

    def along_rows(layer: nn.Module, x: Tensor) -> Tensor:
        lines = layer(x.transpose(1, 2).flatten(0, 1))
        return lines.unflatten(0, (2, 16)).transpose(1, 2)

    expected = along_rows(theirs[0], x) + along_rows(theirs[1], x.mT).mT
    torch.testing.assert_close(ours(x), expected, rtol=0, atol=1e-5)
