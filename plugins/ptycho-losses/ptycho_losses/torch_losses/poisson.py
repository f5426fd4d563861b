"""Likelihood of photon counts."""

from __future__ import annotations

import torch

from ptycho_host.contracts import ForwardResult, LossFunction, Measurement
from ptycho_losses.checks import require_same_shape
from ptycho_losses.options import (
    INCLUDE_CONSTANT,
    PER_PHOTON,
    RATE_FLOOR,
    REDUCTION,
    IncludeConstant,
    PerPhoton,
    RateFloor,
    Reduction,
)


def poisson(
    *,
    include_constant: IncludeConstant = INCLUDE_CONSTANT,
    reduction: Reduction = REDUCTION,
    rate_floor: RateFloor = RATE_FLOOR,
    per_photon: PerPhoton = PER_PHOTON,
) -> LossFunction:
    """Negative log-likelihood of the measured counts y under the expected counts λ, a pixel at a time.

    With S the intensity scale, λ = (S A)^2 and y = (S A')^2 are photon counts a pixel. A pixel contributes
    λ - y ln(λ + f), where f is `rate_floor`, and lnΓ(y + 1) more with `include_constant`.

    Floor. f counts are a constant background that the model knows, so the minimum lies at λ = y - f and no pixel is
    cut off. The gradient in amplitude is 2 S^2 A - 2 S^2 A y / (λ + f): its second part would grow like 2 y / A
    without f; with it, it stays below S y / sqrt(f) and goes smoothly to zero with A.

    Scale. `per_photon` divides the result by S^2, the mean counts a pixel of the data set: the gradient in
    amplitude is then 2 (A - A'^2 / A), about twice that of `mse`, whatever the dose, so that learning rates, clipping
    thresholds and the weights of a sum of losses carry over from one dose to the next. Without it the value is in
    nats a pixel and all is S^2 times larger: 2.4e5 at 10^9 photons a pattern and N = 64.

    Precision. At 10^9 photons the value without the constant is a large number of which little changes in training
    (float32 resolves about 1e-7 of it); its gradient is exact to rounding. With the constant the large parts are
    cancelled analytically, and float32 keeps the value at any dose.

    Source: Thibault & Guizar-Sicairos, New J. Phys. 14 (2012) 063004, section 2, for the likelihood; the constant
    is the Poisson law's own lnΓ(y + 1). Same gradient as torch.nn.PoissonNLLLoss(log_input=False, eps=f).
    The loss raises ValueError when the shapes differ.
    """
    pixel_loss = complete_likelihood if include_constant else likelihood_without_constant

    def loss(prediction: ForwardResult, target: Measurement) -> torch.Tensor:
        require_same_shape(prediction.amplitude, target.amplitude)
        pixels = pixel_loss(prediction.counts, target.counts, rate_floor)
        value = pixels.mean() if reduction == "mean" else pixels.sum()
        return value / target.intensity_scale**2 if per_photon else value

    return loss


def likelihood_without_constant(expected: torch.Tensor, counts: torch.Tensor, floor: float) -> torch.Tensor:
    """λ - y ln(λ + f) a pixel, for expected and measured counts of one shape."""
    return expected - counts * torch.log(expected + floor)


def complete_likelihood(expected: torch.Tensor, counts: torch.Tensor, floor: float) -> torch.Tensor:
    """λ - y ln(λ + f) + lnΓ(y + 1) a pixel, accurate where its three terms nearly cancel.

    Rearranged to (λ - y) - y ln((λ + f) / y) + [lnΓ(y + 1) - y ln y + y].
    """
    rate = expected + floor
    # log1p keeps the digits of a ratio near one; elsewhere its gradient would lose them.
    near = (rate - counts).abs() < counts / 2
    safe_counts = torch.where(counts > 0, counts, 1)
    log_near = torch.log1p(torch.where(near, (rate - counts) / safe_counts, 0))
    log_far = torch.log(rate) - torch.log(safe_counts)
    return expected - counts - counts * torch.where(near, log_near, log_far) + stirling_remainder(counts)


def stirling_remainder(counts: torch.Tensor) -> torch.Tensor:
    """lnΓ(y + 1) - y ln y + y for y >= 0, from Stirling's series above 16 (error below 2e-14)."""
    few = counts.clamp(max=16)
    many = counts.clamp(min=16)
    inverse_square = many**-2
    series = (1 / 12 - inverse_square * (1 / 360 - inverse_square * (1 / 1260 - inverse_square / 1680))) / many
    return torch.where(
        counts < 16,
        torch.lgamma(few + 1) - torch.xlogy(few, few) + few,
        torch.log(2 * torch.pi * many) / 2 + series,
    )
