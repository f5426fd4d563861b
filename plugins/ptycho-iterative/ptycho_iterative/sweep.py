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
    seed: int
    device: Literal["auto", "cpu", "cuda"]
    threads: int | None

    def step(self, epoch: int) -> float:
        """Factor on all steps in an epoch, from 1: it falls geometrically over the second half.

        Steps that stay long end in a mean over the last few patterns only, with their noise.
        """
        first = (1 + self.epochs) / 2
        return self.last_step ** (max(epoch - first, 0) / max(self.epochs - first, 1))


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
