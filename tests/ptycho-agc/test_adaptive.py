"""Adaptive clipping against a loop over units written from equation 3 of the paper."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ptycho_agc.torch_clippers.adaptive import agc

SHAPES = [(), (5,), (4, 3), (6, 3, 3, 3), (3, 4, 5, 5, 2), (7, 1, 1)]


def parameters(dtype: torch.dtype = torch.float64, seed: int = 0) -> list[nn.Parameter]:
    """Weights of very different size, some zero, with gradients of very different size."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for index, shape in enumerate(SHAPES):
        sizes = 10 ** torch.empty(shape[:1] + (1,) * (len(shape) - 1)).uniform_(-3, 0, generator=generator)
        parameter = nn.Parameter(torch.randn(shape, dtype=dtype, generator=generator) * sizes)
        noise = torch.randn(shape, dtype=dtype, generator=generator)
        parameter.grad = 10.0 ** (1 - 4 * (index % 2)) * noise * (sizes.flip(0) if shape else 1)
        made.append(parameter)
    made[1].data.zero_()
    return made


def units(tensor: torch.Tensor, unit: str) -> list[torch.Tensor]:
    return list(tensor) if unit == "unit" and tensor.ndim > 1 else [tensor]


def clipped_by_the_paper(weight: torch.Tensor, gradient: torch.Tensor, clipping: float, eps: float) -> torch.Tensor:
    gradient_norm = gradient.abs().square().sum().sqrt()
    weight_norm = weight.abs().square().sum().sqrt().clamp(min=eps)
    return clipping * weight_norm / gradient_norm * gradient if gradient_norm / weight_norm > clipping else gradient


@pytest.mark.parametrize("unit", ["unit", "tensor"])
@pytest.mark.parametrize(("clipping", "eps"), [(0.01, 1e-3), (0.3, 0.05)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128, torch.float32])
def test_it_does_what_the_paper_says_unit_by_unit(unit, clipping, eps, dtype):
    made = parameters(dtype)
    expected, changed = [], 0
    for parameter in made:
        pairs = zip(units(parameter.data, unit), units(parameter.grad, unit), strict=True)
        pieces = [clipped_by_the_paper(weight, gradient, clipping, eps) for weight, gradient in pairs]
        changed += sum(
            not torch.equal(after, before) for after, before in zip(pieces, units(parameter.grad, unit), strict=True)
        )
        expected.append(torch.stack(pieces).reshape(parameter.shape))
    count = sum(len(units(parameter.data, unit)) for parameter in made)
    before = torch.cat([parameter.grad.flatten() for parameter in made]).norm().item()

    report = agc(clipping=clipping, eps=eps, unit=unit)(iter(made))

    tolerance = 1e-5 if dtype == torch.float32 else 1e-12  # a few roundings of the norms
    for parameter, gradient in zip(made, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=tolerance, atol=0)
    assert 0 < changed < count
    assert report.clipped == pytest.approx(changed / count, rel=1e-6)
    assert report.norm == pytest.approx(before, rel=tolerance)


def test_complex_weights_and_their_real_storage_give_the_same():
    generator = torch.Generator().manual_seed(1)
    weight, gradient = torch.randn(2, 4, 3, 5, 5, dtype=torch.complex64, generator=generator)
    as_complex, as_real = nn.Parameter(weight.clone()), nn.Parameter(torch.view_as_real(weight).clone())
    as_complex.grad, as_real.grad = gradient.clone(), torch.view_as_real(gradient).clone()
    first, second = agc()([as_complex]), agc()([as_real])
    torch.testing.assert_close(torch.view_as_real(as_complex.grad), as_real.grad, rtol=1e-5, atol=0)
    assert first.norm == pytest.approx(second.norm, rel=1e-5)
    assert first.clipped == second.clipped == 1


def test_scales_initialised_to_zero_may_move_by_clipping_times_eps():
    scale = nn.Parameter(torch.zeros(32))
    scale.grad = torch.ones(32)
    agc(clipping=0.01, eps=1e-3)([scale])
    assert scale.grad.norm().item() == pytest.approx(1e-5, rel=1e-5)


def test_gradients_within_bounds_are_untouched_to_the_bit():
    made = parameters(torch.float32)
    for parameter in made:
        parameter.grad = 1e-6 * torch.ones_like(parameter)
    before = [parameter.grad.clone() for parameter in made]
    report = agc()(made)
    assert report.clipped == 0
    assert all(torch.equal(parameter.grad, kept) for parameter, kept in zip(made, before, strict=True))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_stay_visible(bad):
    made = parameters(torch.float32)
    made[3].grad[2, 0, 0, 0] = bad
    report = agc()(made)
    assert not torch.tensor(report.norm).isfinite()
    assert not made[3].grad.isfinite().all()
    assert made[2].grad.isfinite().all()


def test_half_precision_norms_do_not_overflow():
    weight = nn.Parameter(torch.full((2, 64), 10.0, dtype=torch.float16))
    weight.grad = torch.full((2, 64), 300.0, dtype=torch.float16)  # squares beyond 65504
    report = agc(clipping=0.1)([weight])
    assert report.norm == pytest.approx(300 * 128**0.5, rel=1e-5)
    torch.testing.assert_close(weight.grad, torch.ones_like(weight), rtol=1e-3, atol=0)  # float16's own precision


def test_parameters_without_gradient_are_passed_over():
    frozen, used = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2, 2))
    used.grad = torch.ones(2, 2)
    report = agc()([frozen, used])
    assert frozen.grad is None
    assert report.clipped == 1
    assert agc()([frozen]).norm == 0
