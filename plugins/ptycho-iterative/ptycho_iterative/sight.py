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

    windows: where its patches lie on the canvas. patches (B, N, N): the object there. probe (K, N, N): its modes.
    difference (B, K, N, N): exit waves of the measured moduli less the present ones, called chi; of a single mode
        F^-1[A exp(i arg F P O)] - P O.
    """

    windows: Windows
    patches: Tensor
    probe: Tensor
    difference: Tensor

    @property
    def intensity(self) -> Tensor:
        """|P|^2 at each pattern, summed over the modes, (B, N, N)."""
        return self.probe.abs().square().sum(dim=0).expand(self.patches.shape)

    @property
    def light(self) -> Tensor:
        """L = sum |P|^2 on the windows of the canvas, (B, W, W)."""
        # Cubic interpolation undershoots beside sharp edges.
        return self.windows.merge(self.intensity).clamp_min(0)

    @property
    def object_gradient(self) -> Tensor:
        """Sum P* chi on the windows of the canvas, (B, W, W)."""
        return self.windows.merge((self.probe.conj() * self.difference).sum(dim=1))

    @property
    def probe_weight(self) -> Tensor:
        """Sum |O|^2, (N, N)."""
        return self.patches.abs().square().sum(dim=0)

    @property
    def probe_gradient(self) -> Tensor:
        """Sum O* chi, (K, N, N)."""
        return (self.patches.conj()[:, None] * self.difference).sum(dim=0)


@dataclass(frozen=True, slots=True)
class Steps:
    """What a rule adds: `object` (B, W, W) to the windows of the canvas, `probe` (K, N, N) to a free probe."""

    object: Tensor
    probe: Tensor | None = None


def wave_difference(exit_waves: Tensor, amplitude: Tensor, good: Tensor | None) -> tuple[Tensor, Tensor]:
    """Differences chi (B, K, N, N) for exit waves psi (B, K, N, N); sum (a - A)^2 and sum A^2 over good pixels, (2,).

    amplitude A: (B, N, N) and good: (N, N) 1 or 0 have the zero frequency at [0, 0]. The modes' intensities add,
    a^2 = sum |F psi|^2, and all modes are scaled alike (Thibault and Menzel, Nature 494 (2013) 68, eq. 3). A bad pixel
    keeps its waves, and so does one without a phase.
    """
    waves = torch.fft.fft2(exit_waves, norm="ortho")
    moduli = torch.linalg.vector_norm(waves.abs(), dim=1)
    missing = amplitude - moduli
    if good is not None:
        missing, amplitude = missing * good, amplitude * good
    factor = missing / moduli.clamp_min(DARK * moduli.max() + torch.finfo(moduli.dtype).tiny)
    sums = torch.stack([values.square().sum(dtype=torch.float64) for values in (missing, amplitude)])
    return torch.fft.ifft2(waves * factor[:, None], norm="ortho"), sums
