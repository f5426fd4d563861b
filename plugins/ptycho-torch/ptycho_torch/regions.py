"""Regions: the patterns of a neighbourhood on one canvas, as generators of scope "scan" see them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ptycho_torch.instrument import Instrument
from ptycho_torch.physics import back_projection, projection_update
from ptycho_torch.windows import Windows

WEAK = 0.05
"""What is added to the light on a pixel of the canvas, in units of the probe's largest intensity, before it divides."""
AT_ONCE = 64
"""Patterns of a region that are reckoned with at a time where nothing must be remembered for gradients."""


class Region:
    """G regions of K patterns each (`ptycho_host.contracts.RegionInputs`)."""

    def __init__(
        self, amplitude: Tensor, probe: Tensor, bad_pixels: Tensor | None, positions: NDArray[np.float64]
    ) -> None:
        """amplitude: (G, K, N, N). probe, bad_pixels: (N, N). positions: (G, K, 2), (y, x) in object pixels."""
        self.amplitude = amplitude
        self.windows = Windows(positions, amplitude.shape[-1], amplitude.device)
        self._probe = probe
        self._bad_pixels = bad_pixels
        intensity = probe.abs().square()
        self._intensity = (intensity / intensity.max()).expand_as(amplitude)
        with torch.no_grad():
            # Cubic interpolation undershoots beside sharp edges.
            self.light = self._sum(lambda members: self._intensity[:, members]).clamp_min(0)
            seen = self._sum(
                lambda members: self._intensity[:, members] * (back_projection(amplitude[:, members], probe) - 1)
            )
            # Where no light falls the object is 1, which a mean pattern tells of a uniform one.
            self.initial = 1 + seen / (self.light + WEAK)

    def update(self, canvas: Tensor) -> Tensor:
        """What all patterns together ask to be added to the canvas (G, H, W)."""

        def asked(members: slice) -> Tensor:
            patches = self.windows.cut(canvas, members)
            return projection_update(patches, self.amplitude[:, members], self._probe, self._bad_pixels)

        return self._sum(asked) / (self.light + WEAK)

    def _sum(self, patches: Callable[[slice], Tensor]) -> Tensor:
        """The sum (G, H, W) of the patches (G, K, N, N) that the function gives for some members of the regions."""
        count = self.amplitude.shape[1]
        size = count if torch.is_grad_enabled() else AT_ONCE
        portions = [slice(first, min(first + size, count)) for first in range(0, count, size)]
        total = self.windows.merge(patches(portions[0]), portions[0])
        for members in portions[1:]:
            total = total + self.windows.merge(patches(members), members)
        return total


class RegionNetwork(nn.Module):
    """A generator of scope "scan" between amplitudes and the patches that it makes of them."""

    def __init__(self, generator: nn.Module, instrument: Instrument | None = None) -> None:
        """`generator` takes `RegionInputs` and returns a complex canvas; `instrument` is trained beside it."""
        super().__init__()
        self.generator = generator
        self.instrument = instrument

    def forward(
        self, amplitude: Tensor, probe: Tensor, bad_pixels: Tensor | None, positions: NDArray[np.float64]
    ) -> Tensor:
        """Complex patches (G, K, N, N) in model units, cut from one canvas for each region of amplitudes (G, K, N, N).

        positions: (G, K, 2), (y, x) in object pixels.
        """
        region = Region(amplitude, probe, bad_pixels, positions)
        return region.windows.cut(self.generator(region))
