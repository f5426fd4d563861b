"""Supervised losses: what they ignore, what they measure, and what they say without a truth."""

from __future__ import annotations

import math

import pytest
import torch

from ptycho_host.contracts import ForwardResult, Measurement
from ptycho_host.errors import InputError
from ptycho_losses.torch_losses.supervised import amplitude_phase, object_mae

SHAPE = (3, 2, 8, 8)


def random_complex(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


TRUTH = 1 + 0.2 * random_complex(*SHAPE, seed=0)
PROBE = random_complex(8, 8, seed=1)
WEIGHTS = PROBE.abs() ** 2 / (PROBE.abs() ** 2).sum()
LOSSES = [object_mae(), amplitude_phase()]


def prediction(patches: torch.Tensor) -> ForwardResult:
    return ForwardResult(torch.zeros(SHAPE), 1.0, patches, PROBE)


def target(truth: torch.Tensor | None = TRUTH) -> Measurement:
    return Measurement(torch.zeros(SHAPE), 1.0, truth)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_constant_phase_of_each_patch_costs_nothing(loss):
    phases = torch.linspace(-3, 3, 6, dtype=torch.float64).reshape(3, 2, 1, 1)
    # Rounding of a few operations on numbers of order one in float64.
    assert loss(prediction(TRUTH * torch.exp(1j * phases)), target()).item() < 1e-14


def test_patches_of_a_group_may_have_to_agree_in_phase():
    common = torch.exp(torch.tensor([0.4j, -2.0j, 3.0j], dtype=torch.complex128)).reshape(3, 1, 1, 1)
    apart = torch.exp(torch.tensor([0.3j, -0.3j], dtype=torch.complex128)).reshape(1, 2, 1, 1)
    truth = torch.ones(SHAPE, dtype=torch.complex128)
    for loss, due in (
        (object_mae(constant_phase="group"), abs(1 - torch.exp(torch.tensor(0.3j)))),
        (amplitude_phase(constant_phase="group"), 0.3),
    ):
        assert loss(prediction(TRUTH * common), target()).item() < 1e-14
        # Half of the group leads by 0.3 rad and half lags, so the best constant phase of all is zero.
        assert loss(prediction(truth * apart), target(truth)).item() == pytest.approx(float(due), rel=1e-6)


def test_object_mae_is_the_weighted_modulus_after_alignment():
    patches = TRUTH * torch.exp(torch.tensor(0.9j)) + 0.1 * random_complex(*SHAPE, seed=2)
    value = object_mae()(prediction(patches), target()).item()
    # An independent search: the phase of least squares on a fine grid, patch by patch.
    grid = torch.linspace(-math.pi, math.pi, 20001, dtype=torch.float64)
    errors = []
    for mine, true in zip(patches.flatten(0, 1), TRUTH.flatten(0, 1), strict=True):
        cross = (WEIGHTS * mine * true.conj()).sum()
        best = grid[(cross * torch.exp(1j * grid)).real.argmax()]
        errors.append((WEIGHTS * (mine * torch.exp(1j * best) - true).abs()).sum())
    # The grid's half step is 1.6e-4 rad, against an error of 0.1.
    assert value == pytest.approx(torch.stack(errors).mean().item(), rel=1e-3)


def test_amplitude_phase_adds_modulus_and_phase_errors():
    ripple = 0.3 * torch.sign(torch.arange(8) - 3.5)
    flat_probe = torch.ones(8, 8, dtype=torch.complex128)
    truth = TRUTH / TRUTH.abs()
    patches = 1.25 * truth * torch.exp(1j * ripple)
    forward = ForwardResult(torch.zeros(SHAPE), 1.0, patches, flat_probe)
    value = amplitude_phase(phase_weight=2.0)(forward, target(truth))
    # Half of the pixels lead and half lag by 0.3 rad, so the best constant phase is zero.
    assert value.item() == pytest.approx(0.25 + 2.0 * 0.3, rel=1e-6)


def test_phase_differences_are_wrapped():
    truth = torch.full(SHAPE, -1 + 0j, dtype=torch.complex128)
    patches = truth * torch.exp(1j * 0.2 * torch.sign(torch.arange(8) - 3.5))
    forward = ForwardResult(torch.zeros(SHAPE), 1.0, patches, torch.ones(8, 8, dtype=torch.complex128))
    assert amplitude_phase()(forward, target(truth)).item() == pytest.approx(0.2, rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_no_gradient_goes_along_a_constant_phase(loss):
    """It would push on and on, since the alignment undoes what it achieves."""
    patches = (TRUTH * torch.exp(torch.tensor(0.4j)) + 0.1 * random_complex(*SHAPE, seed=3)).requires_grad_()
    found = torch.autograd.grad(loss(prediction(patches), target()), patches)[0]
    turning = (found.conj() * 1j * patches.detach()).real
    # Rounding of a sum over 64 pixels.
    torch.testing.assert_close(turning.sum(dim=(-2, -1)), torch.zeros(3, 2).double(), rtol=0, atol=1e-15)
    assert turning.abs().max() > 1e-4


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_agrees_with_finite_differences(loss):
    patches = (TRUTH[:1, :1] + 0.1 * random_complex(1, 1, 8, 8, seed=3)).requires_grad_()
    assert torch.autograd.gradcheck(lambda o: loss(prediction(o), target(TRUTH[:1, :1])), patches)


@pytest.mark.parametrize("loss", LOSSES)
def test_an_empty_prediction_has_a_finite_gradient(loss):
    patches = torch.zeros(SHAPE, dtype=torch.complex64, requires_grad=True)
    value = loss(prediction(patches), target(TRUTH.to(torch.complex64)))
    value.backward()
    assert value.isfinite()
    assert value > 0
    assert patches.grad is not None
    assert patches.grad.isfinite().all()


@pytest.mark.parametrize(("loss", "name"), [(LOSSES[0], "object_mae"), (LOSSES[1], "amplitude_phase")])
def test_without_a_truth_it_names_itself_and_a_remedy(loss, name):
    with pytest.raises(InputError, match=rf"'{name}'.*simulated.*'mae'"):
        loss(prediction(TRUTH), target(None))


@pytest.mark.parametrize("loss", LOSSES)
def test_patches_that_do_not_match_the_truth_are_refused(loss):
    with pytest.raises(ValueError, match="differ in shape"):
        loss(prediction(TRUTH), target(TRUTH[:1]))
