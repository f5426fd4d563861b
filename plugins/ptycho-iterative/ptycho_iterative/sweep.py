"""Pass after pass over all patterns of a scan, batch by batch: what every refiner has in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_host.contracts import Progress, Reconstruction, RefinementEpoch
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError, RunFailedError
from ptycho_iterative.estimate import Estimate, Rule
from ptycho_iterative.patterns import PatternSupply

RISEN = 1.05
"""A residual that is so many times the last one has risen; random order alone lets it waver."""
HEAD_START = 3
"""Epochs that momentum is ahead of the textbook's sequence: at 10, fine detail overshoots for several epochs."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often, in what portions and where the patterns are gone through; see `ptycho_iterative.options`."""

    epochs: int
    batch_size: int
    free_probe: bool
    probe_start: int
    last_step: float
    momentum: float
    seed: int
    device: Literal["auto", "cpu", "cuda"]
    threads: int | None
    modes: int = 1
    free_positions: bool = False
    position_start: int = 1

    def __post_init__(self) -> None:
        if self.modes > 1 and not self.free_probe:
            raise InputError(
                f"refiner.modes is {self.modes}: set refiner.probe=free too, as no scan holds further modes."
            )

    def step(self, epoch: int) -> float:
        """Factor on all steps in an epoch, from 1: it falls geometrically over the last quarter.

        Steps that stay long end in a mean over the last few patterns only, with their noise.
        """
        first = (1 + 3 * self.epochs) / 4
        return self.last_step ** (max(epoch - first, 0) / max(self.epochs - first, 1))

    def probe_changes(self, epoch: int) -> bool:
        """Whether the probe is refined in an epoch, from 1."""
        return self.free_probe and epoch >= self.probe_start

    def positions_change(self, epoch: int) -> bool:
        """Whether positions are refined in an epoch, from 1."""
        return self.free_positions and epoch >= self.position_start


class Momentum:
    """Nesterov's sequence up to a limit, its slow beginning left out: 0, 4/7, 5/8, …; anew when the residual rises.

    The first epoch mends the fine detail, which carrying on would overshoot; slow waves, all that is left then, gain by
    every bit of it.

    Sources: Nesterov, Soviet Math. Dokl. 27 (1983) 372; O'Donoghue and Candès, Found. Comput. Math. 15 (2015) 715,
    section 3.2. Waves longer than the probe, which an epoch changes hardly at all, come many times sooner.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._steps = 0
        self._last = float("inf")

    def after(self, residual: float) -> float:
        """The part of an epoch's change to carry on, after an epoch with that residual."""
        self._steps = 1 if residual > RISEN * self._last else self._steps + 1
        self._last = residual
        if self._steps == 1:
            return 0.0
        ahead = self._steps + HEAD_START
        return min((ahead - 1) / (ahead + 2), self._limit)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Applies a rule to all patterns in random order, epoch after epoch (`ptycho_host.contracts.RefineFunction`)."""

    name: str
    rule: Rule
    schedule: Schedule

    def __call__(self, scan: Scan, start: Reconstruction, progress: Progress, /) -> Reconstruction:
        """The refined object; raises RunFailedError when it diverges, InputError without the device asked for."""
        schedule, device = self.schedule, _device(self.schedule.device)
        with torch.inference_mode(), _own_threads(schedule.threads):
            estimate = Estimate(scan, start, device, schedule.modes, movable=schedule.free_positions)
            supply = PatternSupply(scan, device)
            rng = np.random.default_rng(schedule.seed)
            epochs: list[RefinementEpoch] = []
            momentum = Momentum(schedule.momentum)
            progress.start(f"refining ({self.name})", schedule.epochs * scan.count, "patterns")
            for epoch in range(1, schedule.epochs + 1):
                started, sums = perf_counter(), torch.zeros(2, dtype=torch.float64, device=device)
                probe, positions = schedule.probe_changes(epoch), schedule.positions_change(epoch)
                step = schedule.step(epoch)
                for indices, amplitude in supply.batches(_batches(scan.count, schedule.batch_size, rng)):
                    sums += estimate.improve(
                        self.rule, indices, amplitude, step, free_probe=probe, free_positions=positions
                    )
                    progress.advance(len(indices))
                if positions:
                    estimate.move()
                missed, energy = sums.tolist()
                residual = missed / energy if energy else 0.0
                progress.advance(0, epoch=epoch, residual=residual)
                if not np.isfinite(residual):
                    raise RunFailedError(
                        f"refiner '{self.name}' diverged in epoch {epoch}; take shorter steps (refiner.object_step, "
                        "refiner.probe_step)."
                    )
                if epoch < schedule.epochs:
                    estimate.carry_on(momentum.after(residual))
                epochs.append(RefinementEpoch(epoch, residual, perf_counter() - started))
            progress.finish()
            return replace(estimate.result(start, free_probe=schedule.free_probe), refinement=tuple(epochs))


def _batches(count: int, size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """All indices in random order, in portions of nearly equal length, none longer than `size`."""
    order = rng.permutation(count)
    return np.array_split(order, -(-count // size))


def _device(wanted: Literal["auto", "cpu", "cuda"]) -> torch.device:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("refiner.device is 'cuda', but Torch finds no CUDA device; use 'auto' or 'cpu'.")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


@contextmanager
def _own_threads(threads: int | None) -> Iterator[None]:
    """Compute with that many CPU threads inside the block; None leaves it to Torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
