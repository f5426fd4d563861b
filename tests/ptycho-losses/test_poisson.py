"""The Poisson loss against torch.nn.PoissonNLLLoss, SciPy's Poisson law and its own stated properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import special, stats

from ptycho_host.contracts import ForwardResult, Measurement
from ptycho_losses.torch_losses.poisson import poisson, stirling_remainder

PIXELS = 16
DOSES = [1e2, 1e4, 1e6, 1e9]
# float64: two orders of summation over 1,024 pixels. float32: amplitude -> counts -> logarithm, a few ulp of 6e-8.
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


def pair(dose: float, dtype: torch.dtype, error: float = 0.2) -> tuple[ForwardResult, Measurement]:
    """Counts of a steep far field at `dose` photons a pattern, zeros among them, and a prediction within `error`."""
    rng = np.random.default_rng(0)
    radius = np.hypot(*np.meshgrid(*2 * [np.arange(PIXELS) - PIXELS / 2]))
    rate = np.tile(np.exp(-radius / 1.5), (2, 2, 1, 1))
    rate *= dose / rate.sum(axis=(-2, -1), keepdims=True)
    rate[..., :2, :2] = 0.05
    counts = rng.poisson(rate)
    scale = math.sqrt(dose) / PIXELS
    predicted = np.sqrt(rate) * rng.uniform(1 - error, 1 + error, rate.shape) / scale
    amplitude = torch.tensor(predicted, dtype=dtype).requires_grad_()
    patches, probe = torch.ones(2, 2, PIXELS, PIXELS), torch.ones(PIXELS, PIXELS)
    prediction = ForwardResult(amplitude, scale, patches, probe)
    return prediction, Measurement(torch.tensor(np.sqrt(counts) / scale, dtype=dtype), scale)


def gradient(value: torch.Tensor, prediction: ForwardResult) -> torch.Tensor:
    return torch.autograd.grad(value, prediction.amplitude)[0]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("dose", DOSES)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_value_and_gradient_are_those_of_torch_in_counts(dose, dtype, reduction):
    prediction, target = pair(dose, dtype)
    assert (target.counts == 0).any()
    mine = poisson(reduction=reduction, rate_floor=1e-6, per_photon=False)(prediction, target)
    oracle = torch.nn.PoissonNLLLoss(log_input=False, full=False, eps=1e-6, reduction=reduction)
    theirs = oracle(prediction.counts, target.counts)
    torch.testing.assert_close(mine, theirs, rtol=TOLERANCE[dtype], atol=0)
    torch.testing.assert_close(
        gradient(mine, prediction), gradient(theirs, prediction), rtol=TOLERANCE[dtype], atol=1e-12
    )


@pytest.mark.parametrize("dose", DOSES)
def test_complete_likelihood_is_that_of_the_poisson_law(dose):
    prediction, target = pair(dose, torch.float64)
    value = poisson(include_constant=True, rate_floor=1e-12, per_photon=False)(prediction, target)
    counts = np.rint(target.counts.numpy())
    expected = -stats.poisson.logpmf(counts, prediction.counts.detach().numpy()).mean()
    # SciPy itself forms the large terms and cancels them: 1e-16 times 1e9 ln 1e9 / 256 at the highest dose.
    assert value.item() == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("error", [0.0, 0.2])
@pytest.mark.parametrize("dose", DOSES)
def test_complete_likelihood_keeps_its_digits_in_float32(dose, error):
    value = poisson(include_constant=True, per_photon=False)(*pair(dose, torch.float32, error))
    exact = poisson(include_constant=True, per_photon=False)(*pair(dose, torch.float64, error))
    # Float32 amplitudes put counts off by 1e-7 of themselves: at 1e8 counts in a pixel, 10 against shot noise of 1e4.
    assert value.item() == pytest.approx(exact.item(), rel=1e-5)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("dose", DOSES)
def test_the_constant_changes_no_gradient(dose, dtype):
    prediction, target = pair(dose, dtype)
    with_constant, without = (
        gradient(poisson(include_constant=constant)(prediction, target), prediction) for constant in (True, False)
    )
    scale = without.abs().max().item()
    torch.testing.assert_close(with_constant, without, rtol=0, atol=TOLERANCE[dtype] * scale)


def test_per_photon_makes_the_gradient_independent_of_the_dose():
    prediction, target = pair(1e4, torch.float64)
    brighter = 1e5
    gradients = []
    for factor in (1.0, math.sqrt(brighter)):
        scale = prediction.intensity_scale * factor
        scaled = ForwardResult(prediction.amplitude, scale, prediction.object_patches, prediction.probe)
        value = poisson(rate_floor=1e-30)(scaled, Measurement(target.amplitude, scale))
        gradients.append(gradient(value, prediction))
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-15)
    analytic = 2 * (prediction.amplitude - target.amplitude**2 / prediction.amplitude) / prediction.amplitude.numel()
    torch.testing.assert_close(gradients[0], analytic.detach(), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("include_constant", [False, True])
def test_gradient_stays_bounded_where_the_prediction_is_dark(include_constant):
    scale, counts, floor = 30.0, 100.0, 1e-4
    amplitude = torch.logspace(-12, 1, 400).reshape(1, 1, 20, 20).requires_grad_()
    prediction = ForwardResult(amplitude, scale, torch.ones(1, 1, 20, 20), torch.ones(20, 20))
    target = Measurement(torch.full_like(amplitude, math.sqrt(counts) / scale), scale)
    loss = poisson(include_constant=include_constant, reduction="sum", rate_floor=floor, per_photon=False)
    found = gradient(loss(prediction, target), prediction)
    pull = found - 2 * scale**2 * amplitude.detach()
    bound = scale * counts / math.sqrt(floor)
    assert pull.abs().max() <= bound * (1 + 1e-5)
    assert pull.abs().max() > 0.95 * bound
    assert pull.flatten()[0].abs() < 1e-4 * bound


@pytest.mark.parametrize("include_constant", [False, True])
def test_zeros_in_prediction_and_measurement_are_finite(include_constant):
    amplitude = torch.zeros(1, 1, 2, 2, requires_grad=True)
    measured = torch.tensor([[[[0.0, 1.0], [1e-21, 5e3]]]])
    prediction = ForwardResult(amplitude, 500.0, torch.ones(1, 1, 2, 2), torch.ones(2, 2))
    value = poisson(include_constant=include_constant)(prediction, Measurement(measured, 500.0))
    assert value.isfinite()
    assert gradient(value, prediction).isfinite().all()


@pytest.mark.parametrize("include_constant", [False, True])
def test_gradient_agrees_with_finite_differences(include_constant):
    prediction, target = pair(3e3, torch.float64)
    loss = poisson(include_constant=include_constant, rate_floor=1e-3)

    def value(amplitude: torch.Tensor) -> torch.Tensor:
        bright = ForwardResult(amplitude, prediction.intensity_scale, prediction.object_patches, prediction.probe)
        return loss(bright, target)

    # Far from zero amplitude, where a step of 1e-6 would no longer be small against the curvature.
    assert torch.autograd.gradcheck(value, prediction.amplitude.detach().clamp(min=0.05).requires_grad_())


def test_stirling_remainder_over_all_magnitudes():
    counts = torch.cat([torch.zeros(1), torch.logspace(-3, 5, 500)]).double()
    y = counts.numpy()
    expected = special.gammaln(y + 1) - special.xlogy(y, y) + y
    # The oracle cancels terms of 1e5 ln 1e5 = 1e6 at the end of the range.
    np.testing.assert_allclose(stirling_remainder(counts).numpy(), expected, rtol=1e-12, atol=1e-9)
    small = counts[counts < 100]
    np.testing.assert_allclose(stirling_remainder(small).numpy(), expected[: len(small)], rtol=1e-12, atol=5e-13)


def test_batches_that_do_not_match_are_refused():
    prediction, target = pair(1e4, torch.float32)
    with pytest.raises(ValueError, match="differ in shape"):
        poisson()(prediction, Measurement(target.amplitude[:1], target.intensity_scale))
