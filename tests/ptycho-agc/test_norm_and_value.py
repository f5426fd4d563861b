"""Clipping by norm and by value against PyTorch's own, and the clipper that only measures."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from ptycho_agc.torch_clippers.norm import none, norm
from ptycho_agc.torch_clippers.value import value


def model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(144, 5))
    (100 * net(torch.randn(3, 1, 8, 8)).square().mean()).backward()
    return net


def gradient_vector(net: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in net.parameters() if parameter.grad is not None])


@pytest.mark.parametrize("max_norm", [0.1, 1.0, 1e6])
def test_norm_is_that_of_torch(max_norm):
    mine, theirs = model(), model()
    before = gradient_vector(mine)
    report = norm(max_norm=max_norm)(mine.parameters())
    torch.nn.utils.clip_grad_norm_(theirs.parameters(), max_norm, foreach=False)
    torch.testing.assert_close(gradient_vector(mine), gradient_vector(theirs), rtol=1e-6, atol=0)
    assert report.norm == pytest.approx(before.norm().item(), rel=1e-6)
    assert report.clipped == (before.norm() > max_norm)
    # torch divides by norm + 1e-6, so the result is short of max_norm by that much.
    assert gradient_vector(mine).norm().item() == pytest.approx(min(max_norm, before.norm().item()), rel=2e-5)


@pytest.mark.parametrize("max_value", [0.01, 1.0, 1e6])
def test_value_is_that_of_torch(max_value):
    mine, theirs = model(), model()
    before = gradient_vector(mine)
    report = value(max_value=max_value)(mine.parameters())
    torch.nn.utils.clip_grad_value_(theirs.parameters(), max_value)
    assert torch.equal(gradient_vector(mine), gradient_vector(theirs))
    assert report.norm == pytest.approx(before.norm().item(), rel=1e-6)
    assert report.clipped == pytest.approx((before.abs() > max_value).double().mean().item(), rel=1e-6)


def test_complex_gradients_are_bounded_in_modulus_and_keep_their_phase():
    weight = nn.Parameter(torch.zeros(3, dtype=torch.complex64))
    weight.grad = torch.tensor([0j, 3 - 4j, 0.1j])
    report = value(max_value=1.0)([weight])
    torch.testing.assert_close(weight.grad, torch.tensor([0j, 0.6 - 0.8j, 0.1j]))
    assert report.clipped == pytest.approx(1 / 3)
    assert report.norm == pytest.approx(25.01**0.5, rel=1e-6)


def test_norm_counts_complex_elements_by_modulus():
    weight = nn.Parameter(torch.zeros(2, dtype=torch.complex64))
    weight.grad = torch.tensor([3 - 4j, 12j])
    assert norm(max_norm=1.3)([weight]).norm == pytest.approx(13)
    torch.testing.assert_close(weight.grad, torch.tensor([0.3 - 0.4j, 1.2j]), rtol=1e-5, atol=0)


def test_none_measures_and_changes_nothing():
    net = model()
    before = copy.deepcopy(gradient_vector(net))
    report = none()(net.parameters())
    assert report.norm == pytest.approx(before.norm().item(), rel=1e-6)
    assert report.clipped == 0
    assert torch.equal(gradient_vector(net), before)


@pytest.mark.parametrize("clip", [norm(), value(), none()])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_show_in_the_report(clip, bad):
    net = model()
    net[0].weight.grad[0, 0, 0, 0] = bad
    assert clip(net.parameters()).norm == pytest.approx(bad, nan_ok=True)


@pytest.mark.parametrize("clip", [norm(), value(), none()])
def test_without_gradients_the_norm_is_zero(clip):
    report = clip(nn.Linear(2, 2).parameters())
    assert (report.norm, report.clipped) == (0, 0)
