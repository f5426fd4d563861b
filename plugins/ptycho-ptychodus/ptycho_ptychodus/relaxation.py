"""Probes that vary over the scan, as Ptychodus keeps them (OPR, orthogonal probe relaxation): their mean is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPR_WEIGHTS = "opr_weights"


@dataclass(frozen=True, slots=True)
class MeanProbe:
    """modes: (M, H, W), the incoherent modes, the first one averaged over the scan.

    varying: the share of the first one's power that is not in its mean; 0 where it does not vary.
    """

    modes: NDArray[Any]
    varying: float

    @classmethod
    def of(cls, probe: NDArray[Any], weights: NDArray[Any] | None) -> MeanProbe:
        """From `probe` (C, M, H, W) or with fewer axes, and the real `weights` (n, C) of its C coherent modes, if any.

        At position j the first incoherent mode is the sum over c of weights[j, c] probe[c, 0]; the others do not vary.
        Raises ValueError when the weights are not those of these modes.
        """
        if probe.ndim != 4:
            return cls(probe.reshape(-1, *probe.shape[-2:]), 0.0)
        if weights is None:
            return cls(probe[0], 0.0)
        if weights.ndim != 2 or weights.shape[1] != len(probe):
            raise ValueError(f"has shape {weights.shape} for {len(probe)} coherent modes")
        coherent = probe[:, 0].reshape(len(probe), -1).astype(np.complex128)
        overlaps = np.real(coherent.conj() @ coherent.T)
        power = np.einsum("jc,cd,jd->", weights, overlaps, weights) / len(weights)
        mean = weights.mean(axis=0)
        modes = probe[0].copy()
        modes[0] = np.tensordot(mean, probe[:, 0], axes=1)
        return cls(modes, max(0.0, float(1 - mean @ overlaps @ mean / power)) if power > 0 else 0.0)

    @property
    def said(self) -> list[str]:
        """One sentence if the probe varies."""
        if self.varying == 0:
            return []
        return [f"The probe varies over the scan (OPR); its mean is used, with {1 - self.varying:.1%} of its power."]
