"""Averages over object patches that count what the probe has seen."""

from __future__ import annotations

import torch

from ptycho_losses.options import ConstantPhase


def illumination(probe: torch.Tensor) -> torch.Tensor:
    """|P|^2 of the probe (N, N) as real weights of sum 1; no gradient reaches the probe."""
    intensity = probe.detach().abs().square()
    return intensity / intensity.sum()


def weighted_mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Scalar mean over patches of real values (B, C, N, N), weighted inside a patch by (N, N) of sum 1."""
    return (values * weights).sum(dim=(-2, -1)).mean()


def phase_aligned(
    patches: torch.Tensor, truth: torch.Tensor, weights: torch.Tensor, constant_phase: ConstantPhase
) -> torch.Tensor:
    """Complex patches (B, C, N, N), each or all C times the constant phase that brings them nearest to the truth.

    Nearest in weighted least squares: the phase of sum w O* T. The gradient passes it, so that none of it goes along
    a constant phase of the patch: there it would have nothing to settle against, and push weights on and on.
    """
    together = (-2, -1) if constant_phase == "patch" else (-3, -2, -1)
    overlap = (weights * patches.conj() * truth).sum(dim=together, keepdim=True)
    return patches * torch.polar(torch.ones_like(overlap.real), overlap.angle())
