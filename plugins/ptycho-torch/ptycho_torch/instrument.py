"""The probe, known or learnt along with the generator."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ptycho_host.contracts import FIRST_PROBE, LEARNT_PROBE


class Instrument(nn.Module):
    """Gives the probe (N, N) complex64 in model units; a learnt one keeps the energy of the one it started from.

    Probe and object meet in a product only, so the patterns do not tell the energy of either.
    """

    change: nn.Parameter | None

    def __init__(self, probe: NDArray[np.complex64], device: torch.device, rate: float | None = None) -> None:
        """`rate`: how many times faster than the generator's weights its pixels are learnt; None: not at all."""
        super().__init__()
        # No buffer: processes that train together need not tell each other what all of them know.
        self.first = torch.from_numpy(probe).to(device)
        # Weights of the same size as others, so that one optimiser serves all.
        self.change = None if rate is None else nn.Parameter(torch.zeros(*probe.shape, 2, device=device))
        self._rate = rate or 0.0

    def forward(self) -> Tensor:
        """The probe as it is now, differentiable where it is learnt."""
        if self.change is None:
            return self.first
        probe = self.first + self._rate * torch.view_as_complex(self.change)
        return probe * (torch.linalg.vector_norm(self.first) / torch.linalg.vector_norm(probe))

    @torch.no_grad()
    def weights(self) -> dict[str, NDArray[Any]]:
        """What a bundle needs to use a learnt probe again, real and imaginary parts (N, N, 2) by name."""
        if self.change is None:
            return {}
        return {
            name: torch.view_as_real(probe).cpu().numpy().copy()
            for name, probe in ((LEARNT_PROBE, self()), (FIRST_PROBE, self.first))
        }
