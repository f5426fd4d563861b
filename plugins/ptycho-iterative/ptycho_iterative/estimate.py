"""The present object, probe and positions of a refinement, and how a batch of patterns changes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ptycho_host.contracts import Reconstruction
from ptycho_host.data.scan import Scan
from ptycho_iterative.modes import orthogonal, with_modes
from ptycho_iterative.positions import shifts
from ptycho_iterative.sight import Sight, Steps, wave_difference
from ptycho_iterative.windows import Placement


class Rule(Protocol):
    """How object and probe change after a look at a batch of patterns."""

    def __call__(self, sight: Sight, *, free_probe: bool) -> Steps:
        """The steps; that of the probe only where it is free."""
        ...


class Estimate:
    """Object, modes of the probe and positions on the device, from a start or else from what the scan says."""

    def __init__(self, scan: Scan, start: Reconstruction, device: torch.device, modes: int, *, movable: bool) -> None:
        """The probe is given that many `modes`; only of `movable` patterns positions can be refined."""
        self._first = self._positions = scan.positions if start.positions is None else start.positions
        self._shape, self._pixels, self._device, self._movable = start.object.shape, scan.pixels, device, movable
        self._placement = self._placed()
        self._object = self._placement.flat(start.object)
        probe = (scan.probe if start.probe is None else start.probe)[np.newaxis]
        if start.further_modes is not None:
            probe = np.concatenate([probe, start.further_modes])
        self._probe = with_modes(torch.from_numpy(probe.astype(np.complex64)), modes).to(device)
        self._norm = torch.linalg.vector_norm(self._probe)
        self._shifts = torch.zeros(scan.count, 2, dtype=torch.float64, device=device)
        self._before = (self._object.clone(), self._probe)
        self._good = _good_pixels(scan, device)

    def improve(
        self, rule: Rule, indices: Tensor, amplitude: Tensor, step: float, *, free_probe: bool, free_positions: bool
    ) -> Tensor:
        """Let a batch act, with `step` times the steps of the rule.

        Returns sum (a - A)^2 as it was before and sum A^2, over the good pixels, (2,) float64.
        """
        windows = self._placement.windows(indices)
        read = windows.read(self._object)
        patches = windows.cut(read)
        difference, sums = wave_difference(self._probe * patches[:, None], amplitude, self._good)
        sight = Sight(windows, patches, self._probe, difference)
        if free_positions:
            self._shifts[indices] = step * shifts(sight, windows.slopes(read))
        steps = rule(sight, free_probe=free_probe)
        windows.add(self._object, step * steps.object)
        if steps.probe is not None:
            self._probe = self._probe + step * steps.probe
        return sums

    def move(self) -> None:
        """Shift all patterns as they asked for since they were last moved, less the mean of all shifts.

        The patterns do not tell where object and positions lie together.
        """
        wanted = self._shifts.cpu().numpy()
        self._positions = self._positions + wanted - wanted.mean(axis=0)
        self._placement = self._placed()

    def carry_on(self, part: float) -> None:
        """Go on by `part` of what changed in object and probe since this was last called."""
        reached = (self._object.clone(), self._probe)
        self._object += part * (reached[0] - self._before[0])
        self._probe = reached[1] + part * (reached[1] - self._before[1])
        self._before = reached

    def result(self, start: Reconstruction, *, free_probe: bool) -> Reconstruction:
        """The start with what has changed; a probe that was free has the energy that it started with.

        The patterns tell only the product of the two: a factor is taken from one and given to the other.
        """
        result = replace(start, further_modes=None)
        if self._movable:
            moved = np.sqrt(np.mean(np.square(self._positions - self._first), dtype=np.float64) * 2)
            note = f"positions were refined; they moved by {moved:.3g} px, root mean square"
            result = replace(result, positions=self._positions, notes=(*result.notes, note))
        if not free_probe:
            return replace(result, object=self._placement.canvas(self._object))
        factor = self._norm / torch.linalg.vector_norm(self._probe)
        modes = orthogonal(self._probe * factor).cpu().numpy()
        result = replace(result, object=self._placement.canvas(self._object / factor), probe=modes[0])
        if len(modes) == 1:
            return result
        light = np.sum(np.square(np.abs(modes)), axis=(1, 2))
        note = f"the modes of the probe have {', '.join(f'{part:.1%}' for part in light / light.sum())} of the light"
        return replace(result, further_modes=modes[1:], notes=(*result.notes, note))

    def _placed(self) -> Placement:
        return Placement(self._positions, self._pixels, self._shape, self._device, movable=self._movable)


def _good_pixels(scan: Scan, device: torch.device) -> Tensor | None:
    """1 at the good and 0 at the bad pixels (N, N), zero frequency at [0, 0]; None if all are good."""
    if scan.bad_pixels is None:
        return None
    return torch.from_numpy(np.fft.ifftshift(~scan.bad_pixels).astype(np.float32)).to(device)
