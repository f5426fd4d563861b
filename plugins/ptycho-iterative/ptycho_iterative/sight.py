"""What a batch of patterns says against the present object and probe."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ptycho_iterative.windows import Windows

DARK = 1e-12
"""Modulus of a detector wave, as a fraction of the batch's largest, below which it has no phase."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A batch of patterns seen through the present estimate.

    windows: where its patches lie on the canvas. patches (B, N, N): the object there. probe (N, N).
    difference (B, N, N): exit waves of the measured moduli less the present ones, F^-1[A exp(i arg F P O)] - P O,
        called chi.
    """

    windows: Windows
    patches: Tensor
    probe: Tensor
    difference: Tensor

    @property
    def intensity(self) -> Tensor:
        """|P|^2 at each pattern, (B, N, N)."""
        return self.probe.abs().square().expand_as(self.difference)

    @property
    def light(self) -> Tensor:
        """L = sum |P|^2 on the windows of the canvas, (B, W, W)."""
        # Cubic interpolation undershoots beside sharp edges.
        return self.windows.merge(self.intensity).clamp_min(0)

    @property
    def object_gradient(self) -> Tensor:
        """Sum P* chi on the windows of the canvas, (B, W, W)."""
        return self.windows.merge(self.probe.conj() * self.difference)

    @property
    def probe_weight(self) -> Tensor:
        """Sum |O|^2, (N, N)."""
        return self.patches.abs().square().sum(dim=0)

    @property
    def probe_gradient(self) -> Tensor:
        """Sum O* chi, (N, N)."""
        return (self.patches.conj() * self.difference).sum(dim=0)


@dataclass(frozen=True, slots=True)
class Steps:
    """What a rule adds: `object` (B, W, W) to the windows of the canvas, `probe` (N, N) to a free probe."""

    object: Tensor
    probe: Tensor | None = None


def wave_difference(exit_waves: Tensor, amplitude: Tensor, good: Tensor | None) -> tuple[Tensor, Tensor]:
    """Differences chi (B, N, N) for exit waves psi (B, N, N); sum (|F psi| - A)^2 and sum A^2 over good pixels, (2,).

    amplitude: (B, N, N) and good: (N, N) 1 or 0 have the zero frequency at [0, 0]. A bad pixel keeps its wave, and so
    does one without a phase.
    """
    waves = torch.fft.fft2(exit_waves, norm="ortho")
    moduli = waves.abs()
    missing = amplitude - moduli
    if good is not None:
        missing, amplitude = missing * good, amplitude * good
    factor = missing / moduli.clamp_min(DARK * moduli.max() + torch.finfo(moduli.dtype).tiny)
    sums = torch.stack([values.square().sum(dtype=torch.float64) for values in (missing, amplitude)])
    return torch.fft.ifft2(waves * factor, norm="ortho"), sums
