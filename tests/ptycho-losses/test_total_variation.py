"""Total variation against a pixel-by-pixel sum and the cases that have a closed form."""

from __future__ import annotations

import math

import pytest
import torch

from ptycho_host.contracts import ForwardResult, Measurement
from ptycho_losses.torch_losses.total_variation import tv

PIXELS = 8
TARGET = Measurement(torch.zeros(1, 1, PIXELS, PIXELS), 1.0)
FLAT_PROBE = torch.ones(PIXELS, PIXELS, dtype=torch.complex128)


def prediction(patches: torch.Tensor, probe: torch.Tensor = FLAT_PROBE) -> ForwardResult:
    return ForwardResult(torch.zeros(patches.shape), 1.0, patches, probe)


def random_complex(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("differences", "expected"), [("isotropic", math.hypot(0.3, 0.4)), ("anisotropic", 0.7)])
def test_a_ramp_has_the_variation_of_its_slope(differences, expected):
    y, x = torch.meshgrid(*2 * [torch.arange(PIXELS, dtype=torch.float64)], indexing="ij")
    ramp = (0.3 * y + 0.4j * x)[None, None]
    assert tv(differences=differences)(prediction(ramp), TARGET).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("differences", ["isotropic", "anisotropic"])
def test_it_is_the_weighted_sum_over_pixels(differences):
    patches, probe = random_complex(2, 3, PIXELS, PIXELS), random_complex(PIXELS, PIXELS, seed=1)
    total = weight = 0.0
    for row in range(PIXELS - 1):
        for column in range(PIXELS - 1):
            corner = patches[..., row, column]
            down, right = (patches[..., row + 1, column] - corner).abs(), (patches[..., row, column + 1] - corner).abs()
            pixel = torch.sqrt(down**2 + right**2) if differences == "isotropic" else down + right
            intensity = probe[row, column].abs().item() ** 2
            total, weight = total + intensity * pixel.mean().item(), weight + intensity
    value = tv(differences=differences)(prediction(patches, probe), TARGET)
    assert value.item() == pytest.approx(total / weight, rel=1e-12)


@pytest.mark.parametrize("differences", ["isotropic", "anisotropic"])
def test_a_flat_object_has_no_variation_and_a_finite_gradient(differences):
    patches = torch.full((1, 1, PIXELS, PIXELS), 1 + 0.5j, requires_grad=True)
    value = tv(differences=differences)(prediction(patches), TARGET)
    value.backward()
    assert value.item() == 0
    assert patches.grad is not None
    assert (patches.grad == 0).all()


def test_what_the_probe_does_not_reach_does_not_matter():
    probe = torch.zeros(PIXELS, PIXELS, dtype=torch.complex128)
    probe[2:5, 2:5] = 1
    patches = random_complex(1, 1, PIXELS, PIXELS)
    altered = patches.clone()
    altered[..., 6:, :] = 100
    loss = tv()
    assert loss(prediction(patches, probe), TARGET) == loss(prediction(altered, probe), TARGET)


def test_no_gradient_reaches_the_probe():
    probe = random_complex(PIXELS, PIXELS, seed=2).requires_grad_()
    patches = random_complex(1, 1, PIXELS, PIXELS).requires_grad_()
    tv()(prediction(patches, probe), TARGET).backward()
    assert probe.grad is None
    assert patches.grad is not None


@pytest.mark.parametrize("differences", ["isotropic", "anisotropic"])
def test_gradient_agrees_with_finite_differences(differences):
    loss = tv(differences=differences)
    patches = random_complex(1, 1, 5, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda o: loss(prediction(o, FLAT_PROBE[:5, :5]), TARGET), patches)
