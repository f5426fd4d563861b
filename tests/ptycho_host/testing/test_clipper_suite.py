"""The suite of clippers passes sound ones, and finds each defect."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor

from ptycho_host.contracts import ClipFunction, ClipReport
from ptycho_host.testing import ClipperConformance

CHECKS = [
    name
    for name in dir(ClipperConformance)
    if name.startswith("test_") and name != "test_listing_imports_nothing_heavy"
]


def norm_of(gradients: list[Tensor]) -> float:
    return (
        float(torch.stack([gradient.abs().square().sum() for gradient in gradients]).sum().sqrt()) if gradients else 0.0
    )


def bounded(parameters: Iterable[Any]) -> ClipReport:
    """All gradients to norm 1 at most."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = norm_of(gradients)
    if norm > 1:
        for gradient in gradients:
            gradient /= norm
    return ClipReport(norm, float(norm > 1))


@pytest.mark.parametrize("check", CHECKS)
def test_a_sound_clipper_passes(trial: Callable[..., Any], check: str) -> None:
    trial(ClipperConformance, lambda: bounded, backend="torch").check(check)


def reports_after(parameters: Iterable[Any]) -> ClipReport:
    kept = list(parameters)
    report = bounded(kept)
    return ClipReport(norm_of([parameter.grad for parameter in kept if parameter.grad is not None]), report.clipped)


def normalises(parameters: Iterable[Any]) -> ClipReport:
    """Also what is short already."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = norm_of(gradients)
    for gradient in gradients:
        gradient /= max(norm, 1e-30)
    return ClipReport(norm, 1.0)


def turns(parameters: Iterable[Any]) -> ClipReport:
    kept = list(parameters)
    report = bounded(kept)
    for parameter in kept:
        if parameter.grad is not None:
            parameter.grad.neg_()
    return report


def silent(parameters: Iterable[Any]) -> ClipReport:
    return ClipReport(bounded(parameters).norm, 0.0)


def percents(parameters: Iterable[Any]) -> ClipReport:
    report = bounded(parameters)
    return ClipReport(report.norm, 100 * report.clipped)


def needs_all_gradients(parameters: Iterable[Any]) -> ClipReport:
    gradients = [parameter.grad for parameter in parameters]
    return ClipReport(float(torch.cat([gradient.flatten() for gradient in gradients]).norm()), 0.0)


def fills_in(parameters: Iterable[Any]) -> ClipReport:
    kept = list(parameters)
    for parameter in kept:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return bounded(kept)


def divides_by_zero(parameters: Iterable[Any]) -> ClipReport:
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = [gradient.norm() for gradient in gradients]
    for gradient, norm in zip(gradients, norms, strict=True):
        gradient *= (0.1 / norm) if not norm > 0.1 else 1
    return ClipReport(float(torch.stack(norms).norm()), 0.0)


def hides_nan(parameters: Iterable[Any]) -> ClipReport:
    kept = list(parameters)
    for parameter in kept:
        if parameter.grad is not None:
            parameter.grad.nan_to_num_(posinf=0.0)
    return bounded(kept)


def steps_too(parameters: Iterable[Any]) -> ClipReport:
    kept = list(parameters)
    report = bounded(kept)
    for parameter in kept:
        if parameter.grad is not None:
            parameter.data -= parameter.grad
    return report


def goes_through_twice(parameters: Iterable[Any]) -> ClipReport:
    norm = norm_of([parameter.grad for parameter in parameters if parameter.grad is not None])
    for parameter in parameters:
        if norm > 1 and parameter.grad is not None:
            parameter.grad /= norm
    return ClipReport(norm, float(norm > 1))


def real_parts_only(parameters: Iterable[Any]) -> ClipReport:
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = norm_of([gradient.real for gradient in gradients])
    return ClipReport(norm, 0.0)


REPORT = "test_report_says_whether_anything_was_clipped"
DIRECTION = "test_gradients_shrink_and_keep_their_direction"
MISSING = "test_missing_gradients_are_left_missing"
DEFECTS: list[tuple[ClipFunction, str, str]] = [
    (reports_after, "test_norm_is_that_of_all_gradients_before", r"reports a norm of 1 for gradients whose L2 norm"),
    (normalises, DIRECTION, r"lets the gradient of a weight \(8, 3, 3, 3\) grow"),
    (turns, DIRECTION, r"turns the gradient of a weight .* uphill"),
    (silent, REPORT, r"reports 0 clipped, but changed gradients"),
    (goes_through_twice, REPORT, r"reports 1 clipped, but left alone gradients"),
    (percents, REPORT, r"reports 100 clipped; it is a fraction"),
    (needs_all_gradients, MISSING, r"fails on 5 parameters: .*None"),
    (fills_in, MISSING, r"gives a gradient to a parameter that has none"),
    (divides_by_zero, "test_zero_gradients_stay_zero", r"guard the division by their norm"),
    (hides_nan, "test_what_is_not_a_number_shows_in_the_report", r"hides a gradient of nan"),
    (steps_too, "test_weights_are_left_alone", r"changes the weights"),
    (real_parts_only, "test_complex_weights", r"norm .* of a complex gradient"),
]


@pytest.mark.parametrize(("clip", "check", "sentence"), DEFECTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_defect_is_found(trial: Callable[..., Any], clip: ClipFunction, check: str, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as failure:
        trial(ClipperConformance, lambda: clip, backend="torch").check(check)
    assert str(failure.value).startswith("clipper 'lab' (lab) ")
    assert "see ptycho_host.contracts, clippers" in str(failure.value)
