"""The suite of losses passes sound ones, and finds each defect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from ptycho_host.contracts import ForwardResult, Measurement
from ptycho_host.errors import InputError
from ptycho_host.testing import LossConformance

Loss = Callable[[ForwardResult, Measurement], Any]
CHECKS = [
    name for name in dir(LossConformance) if name.startswith("test_") and name != "test_listing_imports_nothing_heavy"
]


def squared(prediction: ForwardResult, target: Measurement) -> Tensor:
    return torch.nn.functional.mse_loss(prediction.amplitude, same(prediction.amplitude, target.amplitude))


def same(predicted: Tensor, measured: Tensor) -> Tensor:
    if predicted.shape != measured.shape:
        raise ValueError("shapes differ")
    return measured


def counts(prediction: ForwardResult, target: Measurement) -> Tensor:
    """A count-domain loss on the right scale."""
    return (prediction.counts - same(prediction.counts, target.counts)).square().mean() / prediction.intensity_scale**4


def smooth(prediction: ForwardResult, target: Measurement) -> Tensor:
    """A prior on the patches alone."""
    return (prediction.object_patches[..., 1:] - prediction.object_patches[..., :-1]).abs().square().mean()


def truth(prediction: ForwardResult, target: Measurement) -> Tensor:
    if target.object_patches is None:
        raise InputError("loss 'lab' needs the truth; choose another.")
    return (prediction.object_patches - same(prediction.object_patches, target.object_patches)).abs().square().mean()


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(("loss", "supervised"), [(squared, False), (counts, False), (smooth, False), (truth, True)])
def test_a_sound_loss_passes(trial: Callable[..., Any], loss: Loss, supervised: bool, check: str) -> None:
    lab = trial(LossConformance, lambda: loss, backend="torch", descriptor={"supervised": supervised})
    lab.check(check)


def not_reduced(prediction: ForwardResult, target: Measurement) -> Tensor:
    return (prediction.amplitude - target.amplitude).square().mean(dim=(-2, -1))


def a_plain_number(prediction: ForwardResult, target: Measurement) -> float:
    return float(squared(prediction, target).detach())


def infinite(prediction: ForwardResult, target: Measurement) -> Tensor:
    return squared(prediction, target) / 0


def divides_by_measured(prediction: ForwardResult, target: Measurement) -> Tensor:
    return ((prediction.amplitude - target.amplitude) / target.amplitude).square().mean()


def root(prediction: ForwardResult, target: Measurement) -> Tensor:
    return squared(prediction, target).sqrt()


def logarithm(prediction: ForwardResult, target: Measurement) -> Tensor:
    same(prediction.amplitude, target.amplitude)
    return (prediction.counts - target.counts * prediction.counts.log()).mean()


def detached(prediction: ForwardResult, target: Measurement) -> Tensor:
    return squared(prediction, target).detach()


def half_detached(prediction: ForwardResult, target: Measurement) -> Tensor:
    return ((prediction.amplitude - target.amplitude) * (prediction.amplitude - target.amplitude).detach()).mean()


def single_precision(prediction: ForwardResult, target: Measurement) -> Tensor:
    return torch.nn.functional.mse_loss(prediction.amplitude.float(), target.amplitude.float()).double()


def against_conjugate(prediction: ForwardResult, target: Measurement) -> Tensor:
    value: Tensor = _Conjugated.apply(prediction.object_patches)
    return value.abs().square().mean() + value.real.mean() + value.imag.mean()


class _Conjugated(torch.autograd.Function):
    """A backward pass that forgets a conjugation."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.conj()


def on_two_scales(prediction: ForwardResult, target: Measurement) -> Tensor:
    """Predicted counts against measured amplitudes squared in model units."""
    return (prediction.counts - same(prediction.counts, target.amplitude.square())).square().mean()


def wrong_sign(prediction: ForwardResult, target: Measurement) -> Tensor:
    return -squared(prediction, target)


def broadcasts(prediction: ForwardResult, target: Measurement) -> Tensor:
    return (prediction.amplitude - target.amplitude).square().mean()


def changes_the_target(prediction: ForwardResult, target: Measurement) -> Tensor:
    target.amplitude.mul_(2)
    return squared(prediction, target)


def first_pattern_counts_more(prediction: ForwardResult, target: Measurement) -> Tensor:
    squares = (prediction.amplitude - same(prediction.amplitude, target.amplitude)).square()
    return squares.mean() + squares[0].mean()


def random_pixels(prediction: ForwardResult, target: Measurement) -> Tensor:
    squares = (prediction.amplitude - same(prediction.amplitude, target.amplitude)).square()
    return (squares * (torch.rand(squares.shape) < 0.5)).mean()


def needs_truth_silently(prediction: ForwardResult, target: Measurement) -> Tensor:
    return (prediction.object_patches - target.object_patches).abs().square().mean()


def ignores_missing_truth(prediction: ForwardResult, target: Measurement) -> Tensor:
    return squared(prediction, target)


FINITE = "test_value_is_one_finite_number"
DARK = "test_dark_and_agreeing_pixels_have_finite_gradients"
GRADIENT = "test_gradient_is_that_of_the_value"
BEST = "test_agreement_is_best"
REPEATS = "test_value_repeats_in_any_order"
DECLARED = "test_supervised_is_declared"
DEFECTS: list[tuple[Loss, bool, str, str]] = [
    (not_reduced, False, FINITE, r"one real number, not torch.float32 of shape \(1, 1\)"),
    (a_plain_number, False, FINITE, r"one real number, not float"),
    (infinite, False, FINITE, r"is inf at .* photons a pixel"),
    (divides_by_measured, False, DARK, r"measured to be dark"),
    (root, False, DARK, r"gradient that is not finite where all pixels are"),
    (logarithm, False, DARK, r"predicted to be dark"),
    (detached, False, GRADIENT, r"has no gradient"),
    (half_detached, False, GRADIENT, r"in prediction.amplitude in which it rises by"),
    (single_precision, False, GRADIENT, r"in the precision of the arguments"),
    (against_conjugate, False, GRADIENT, r"in prediction.object_patches in which it rises by"),
    (on_two_scales, False, BEST, r"bring both to one scale with intensity_scale"),
    (wrong_sign, False, BEST, r"when prediction.amplitude leaves what was measured"),
    (broadcasts, False, "test_other_shapes_are_refused", r"broadcasts a measurement \(1, 1, N, N\)"),
    (changes_the_target, False, "test_arguments_are_left_alone", r"changes its arguments in place"),
    (first_pattern_counts_more, False, REPEATS, r"in another order of the batch"),
    (random_pixels, False, REPEATS, r"and then .* of the same prediction"),
    (needs_truth_silently, False, DECLARED, r"fails on predictions"),
    (needs_truth_silently, True, DECLARED, r"is supervised, but raises TypeError"),
    (ignores_missing_truth, True, DECLARED, r"is supervised, but says nothing"),
]


@pytest.mark.parametrize(
    ("loss", "supervised", "check", "sentence"), DEFECTS, ids=lambda value: getattr(value, "__name__", None)
)
def test_a_defect_is_found(trial: Callable[..., Any], loss: Loss, supervised: bool, check: str, sentence: str) -> None:
    lab = trial(LossConformance, lambda: loss, backend="torch", descriptor={"supervised": supervised})
    with pytest.raises(AssertionError, match=sentence) as failure:
        lab.check(check)
    assert str(failure.value).startswith("loss 'lab' (lab) ")
    assert "see ptycho_host.contracts, losses" in str(failure.value)


def test_downhill_is_enough_where_it_is_claimed(trial: Callable[..., Any]) -> None:
    trial(LossConformance, lambda: half_detached, backend="torch", gradient="downhill").check(GRADIENT)

    def uphill(prediction: ForwardResult, target: Measurement) -> Tensor:
        value = squared(prediction, target)
        return 3 * value.detach() - 2 * value

    with pytest.raises(AssertionError, match="grows along its negative gradient"):
        trial(LossConformance, lambda: uphill, backend="torch", gradient="downhill").check(GRADIENT)
