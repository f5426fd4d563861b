"""Measured amplitudes on their way to the device, batch by batch."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_host.data.patterns import blocks
from ptycho_host.data.scan import Scan
from ptycho_host.data.streaming import read_ahead

RESIDENT = 2**31
"""Bytes of patterns that are held on the device; of larger scans each batch is read when its turn comes."""
READING = 16
"""Memory that reading takes for each pixel of the patterns in hand."""


class PatternSupply:
    """Amplitudes (B, N, N) of a scan with the zero frequency at [0, 0], where the Fourier transform has it."""

    def __init__(self, scan: Scan, device: torch.device, resident: int = RESIDENT) -> None:
        self._scan = scan
        self._device = device
        self._held: Tensor | None = None
        if 4 * scan.count * scan.pixels**2 <= resident:
            self._held = torch.empty(scan.count, scan.pixels, scan.pixels, device=device)
            for part in blocks(scan.count, scan.pixels, READING):
                self._held[part] = self._read(part).to(device)

    def batches(self, groups: Sequence[NDArray[np.int64]]) -> Generator[tuple[Tensor, Tensor]]:
        """Indices (B,) and amplitudes (B, N, N) of each group, on the device."""
        if self._held is not None:
            for group in groups:
                indices = torch.from_numpy(group).to(self._device)
                yield indices, self._held[indices]
            return
        with closing(read_ahead(self._read, groups)) as amplitudes:
            for group, amplitude in zip(groups, amplitudes, strict=True):
                yield torch.from_numpy(group).to(self._device), amplitude.to(self._device)

    def _read(self, indices: NDArray[np.int64] | slice) -> Tensor:
        return torch.fft.ifftshift(torch.from_numpy(self._scan.batch(indices)), dim=(-2, -1))
