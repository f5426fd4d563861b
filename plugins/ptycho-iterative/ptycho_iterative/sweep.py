"""Pass after pass over all patterns of a scan, batch by batch: what every refiner has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_host.contracts import Progress, Reconstruction, RefinementEpoch
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError, RunFailedError
from ptycho_iterative.estimate import Estimate
from ptycho_iterative.patterns import PatternSupply
from ptycho_iterative.schedule import Schedule
from ptycho_iterative.sight import Sight, Steps

RISEN = 1.05
"""A residual that is so many times the last one has risen; random order alone lets it waver."""
HEAD_START = 3
"""Epochs that momentum is ahead of the textbook's sequence: at 10, fine detail overshoots for several epochs."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep(Schedule, ABC):
    """Goes through all patterns in random order, epoch after epoch (`ptycho_host.contracts.RefineFunction`).

    A refiner is one with a name, steps, and options of its own as further fields: its constructor is its factory.
    """

    name: ClassVar[str]

    @abstractmethod
    def steps(self, sight: Sight, *, free_probe: bool) -> Steps:
        """How object and probe change after a look at a batch of patterns; the probe only where it is free."""

    def __call__(self, scan: Scan, start: Reconstruction, progress: Progress, /) -> Reconstruction:
        """The refined object; raises RunFailedError when it diverges, InputError without the device asked for."""
        device, movable = _device(self.device), self.positions == "free"
        with torch.inference_mode(), _own_threads(self.threads):
            estimate = Estimate(scan, start, device, self.modes, movable=movable)
            supply = PatternSupply(scan, device)
            rng = np.random.default_rng(self.seed)
            epochs: list[RefinementEpoch] = []
            momentum = Momentum(self.momentum)
            progress.start(f"refining ({self.name})", self.epochs * scan.count, "patterns")
            for epoch in range(1, self.epochs + 1):
                started, sums = perf_counter(), torch.zeros(2, dtype=torch.float64, device=device)
                probe, positions = self.probe_changes(epoch), self.positions_change(epoch)
                part = self.shrinkage(epoch)
                with closing(supply.batches(_batches(scan.count, self.batch_size, rng))) as batches:
                    for indices, amplitude in batches:
                        sums += estimate.improve(
                            self.steps, indices, amplitude, part, free_probe=probe, free_positions=positions
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
                if epoch < self.epochs:
                    estimate.carry_on(momentum.after(residual))
                epochs.append(RefinementEpoch(epoch, residual, perf_counter() - started))
            progress.finish()
            return replace(estimate.result(start, free_probe=self.probe == "free"), refinement=tuple(epochs))


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
