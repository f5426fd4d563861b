"""Pass after pass over all patterns of a scan, batch by batch: what every refiner has in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_host.contracts import Progress, Reconstruction, RefinementEpoch
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError, RunFailedError
from ptycho_iterative.patterns import PatternSupply
from ptycho_iterative.sight import Sight, Steps, wave_difference
from ptycho_iterative.windows import Placement

RISEN = 1.05
"""A residual that is so many times the last one has risen; random order alone lets it waver."""


class Rule(Protocol):
    """How object and probe change after a look at a batch of patterns."""

    def __call__(self, sight: Sight, *, free_probe: bool) -> Steps:
        """The steps; that of the probe only where it is free."""
        ...


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

    def step(self, epoch: int) -> float:
        """Factor on all steps in an epoch, from 1: it falls geometrically over the last quarter.

        Steps that stay long end in a mean over the last few patterns only, with their noise.
        """
        first = (1 + 3 * self.epochs) / 4
        return self.last_step ** (max(epoch - first, 0) / max(self.epochs - first, 1))


class Momentum:
    """Nesterov's sequence, 0, 1/4, 2/5, 3/6, … up to a limit, begun anew when the residual rises.

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
        return min((self._steps - 1) / (self._steps + 2), self._limit)


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
            estimate = _Estimate(scan, start, device)
            supply = PatternSupply(scan, device)
            rng = np.random.default_rng(schedule.seed)
            epochs: list[RefinementEpoch] = []
            momentum = Momentum(schedule.momentum)
            progress.start(f"refining ({self.name})", schedule.epochs * scan.count, "patterns")
            for epoch in range(1, schedule.epochs + 1):
                started, sums = perf_counter(), torch.zeros(2, dtype=torch.float64, device=device)
                free, step = schedule.free_probe and epoch >= schedule.probe_start, schedule.step(epoch)
                for indices, amplitude in supply.batches(_batches(scan.count, schedule.batch_size, rng)):
                    sums += estimate.improve(self.rule, indices, amplitude, step, free_probe=free)
                    progress.advance(len(indices))
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
            obj, probe = estimate.result(free_probe=schedule.free_probe)
        return replace(start, object=obj, probe=probe if probe is not None else start.probe, refinement=tuple(epochs))


class _Estimate:
    """The present object and probe on the device."""

    def __init__(self, scan: Scan, start: Reconstruction, device: torch.device) -> None:
        self._placement = Placement(scan.positions, scan.pixels, start.object.shape, device)
        self._object = self._placement.flat(start.object)
        probe = scan.probe if start.probe is None else start.probe
        self._probe = torch.from_numpy(probe.astype(np.complex64)).to(device)
        self._norm = torch.linalg.vector_norm(self._probe)
        self._before = (self._object.clone(), self._probe)
        self._good = _good_pixels(scan, device)

    def improve(self, rule: Rule, indices: Tensor, amplitude: Tensor, step: float, *, free_probe: bool) -> Tensor:
        """Let a batch act, with `step` times the steps of the rule.

        Returns sum (a - A)^2 as it was before and sum A^2, over the good pixels, (2,) float64.
        """
        windows = self._placement.windows(indices)
        patches = windows.cut(windows.read(self._object))
        difference, sums = wave_difference(self._probe * patches, amplitude, self._good)
        steps = rule(Sight(windows, patches, self._probe, difference), free_probe=free_probe)
        windows.add(self._object, step * steps.object)
        if steps.probe is not None:
            self._probe = self._probe + step * steps.probe
        return sums

    def carry_on(self, part: float) -> None:
        """Go on by `part` of what changed since this was last called."""
        reached = (self._object.clone(), self._probe)
        self._object += part * (reached[0] - self._before[0])
        self._probe = reached[1] + part * (reached[1] - self._before[1])
        self._before = reached

    def result(self, *, free_probe: bool) -> tuple[NDArray[np.complex64], NDArray[np.complex64] | None]:
        """Object (H, W), and the probe (N, N) if it was free, with the energy that it started with.

        The patterns tell only the product of the two: a factor is taken from one and given to the other.
        """
        if not free_probe:
            return self._placement.canvas(self._object), None
        factor = self._norm / torch.linalg.vector_norm(self._probe)
        return self._placement.canvas(self._object / factor), (self._probe * factor).cpu().numpy()


def _batches(count: int, size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """All indices in random order, in portions of nearly equal length, none longer than `size`."""
    order = rng.permutation(count)
    return np.array_split(order, -(-count // size))


def _good_pixels(scan: Scan, device: torch.device) -> Tensor | None:
    """1 at the good and 0 at the bad pixels (N, N), zero frequency at [0, 0]; None if all are good."""
    if scan.bad_pixels is None:
        return None
    return torch.from_numpy(np.fft.ifftshift(~scan.bad_pixels).astype(np.float32)).to(device)


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
