"""Patterns on their way from a scan to the generator."""

from __future__ import annotations

from collections.abc import Generator, Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ptycho_host.contracts import GeneratorInputs
from ptycho_host.data.scan import Scan
from ptycho_host.data.streaming import read_ahead
from ptycho_host.physics.intensity import IntensityScale
from ptycho_torch.instrument import Instrument
from ptycho_torch.physics import back_projection


class PatternFeed:
    """Reads patterns of one scan, batch by batch, into model units on a device."""

    def __init__(
        self, scan: Scan, scale: IntensityScale, device: torch.device, probe_rate: float | None = None
    ) -> None:
        """`scale` must be the scan's own (`IntensityScale.of`, or `for_probe` of a trained one).

        probe_rate: how fast the probe is learnt (`ptycho_torch.instrument.Instrument`); None: not at all.
        """
        self.scan = scan
        self.scale = scale
        self.device = device
        self.instrument = Instrument(scale.model_probe(scan.probe), device, probe_rate)
        self.bad_pixels = None if scan.bad_pixels is None else torch.from_numpy(scan.bad_pixels).to(device)

    @property
    def probe(self) -> Tensor:
        """The probe (N, N) as it is now, differentiable where it is learnt."""
        probe: Tensor = self.instrument()
        return probe

    def amplitude(self, groups: NDArray[np.int64]) -> Tensor:
        """Amplitudes (B, C, N, N) float32 of groups of patterns (B, C)."""
        amplitude = torch.from_numpy(self.scale.model_amplitude(self.scan.batch(groups.ravel())))
        if self.device.type == "cuda":
            # From pinned memory the copy waits for its turn on the GPU by itself, and the reading goes on.
            amplitude = amplitude.pin_memory()
        return amplitude.view(*groups.shape, *amplitude.shape[-2:]).to(self.device, non_blocking=True)

    def stream(self, batches: Iterable[NDArray[np.int64]]) -> Generator[Tensor]:
        """What `amplitude` gives for each of the batches, a few of them read ahead in the background."""
        return read_ahead(self.amplitude, batches)


class PatternNetwork(nn.Module):
    """The generator with the back-projection before it: amplitudes in, object patches out."""

    def __init__(self, generator: nn.Module, instrument: Instrument | None = None) -> None:
        """`generator` takes `GeneratorInputs` and returns complex patches; `instrument` is trained beside it."""
        super().__init__()
        self.generator = generator
        self.instrument = instrument

    def forward(
        self, amplitude: Tensor, probe: Tensor, bad_pixels: Tensor | None, positions: NDArray[np.float64]
    ) -> Tensor:
        """Complex patches (B, C, N, N) in model units from amplitudes (B, C, N, N) under the probe (N, N).

        Where they lie, `positions` (B, C, 2), makes no difference.
        """
        with torch.no_grad():
            initial = back_projection(amplitude, probe)
        patches: Tensor = self.generator(GeneratorInputs(amplitude, initial, probe, bad_pixels))
        return patches
