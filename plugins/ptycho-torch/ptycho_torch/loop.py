"""The training loop."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

from ptycho_host.config import TrainOptions
from ptycho_host.contracts import ClipFunction, ClipReport, RunContext
from ptycho_host.errors import BundleError, RunFailedError
from ptycho_host.records import EpochReport
from ptycho_torch.objective import Objective
from ptycho_torch.optimisation import learning_rate
from ptycho_torch.patterns import PatternFeed
from ptycho_torch.physics import diffraction_amplitude
from ptycho_torch.sampling import GroupSampler, steps_of
from ptycho_torch.state import Snapshot, TrainingState, restore_training, snapshot
from ptycho_torch.watch import ProgressMeter, TrainingSetback, has_collapsed, spread_over

SETBACKS = 2
"""How often a training may go back to its last checkpoint with half the learning rate."""
CHECKPOINT_SECONDS = 10.0
"""Least time between two writes: an epoch of a small scan takes less time than its checkpoint."""


@dataclass
class TrainingLoop:
    """Everything that an epoch needs; `state` is all that changes, apart from network and optimiser."""

    fabric: Fabric
    network: torch.nn.Module
    optimiser: torch.optim.Optimizer
    feed: PatternFeed
    sampler: GroupSampler
    objective: Objective
    clip: ClipFunction
    options: TrainOptions
    epochs: int | None
    held_out: NDArray[np.int64]
    run: RunContext
    state: TrainingState

    def __post_init__(self) -> None:
        self.last = self.run.checkpoints / "last.safetensors"
        self.best = self.run.checkpoints / "best.safetensors"
        self._started = time.monotonic()
        self._written = -math.inf
        self._unwritten: dict[Path, Snapshot] = {}
        self._meter = ProgressMeter(self.run.progress, enabled=self.fabric.is_global_zero)

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one; raises BundleError when it belongs to another run."""
        if not self.last.exists():
            return
        state = restore_training(self.last, self.network, self.optimiser)
        if state.seed != self.state.seed:
            raise BundleError(f"{self.last} was trained with seed {state.seed}, not {self.state.seed}; keep the seed.")
        self.state = state

    def train(self) -> None:
        """Run all epochs that are left; end early when time or patience is over.

        The last weights are kept, since rates that fall make them the best; only when patience ran out are those of
        the best epoch taken.
        """
        self._started = time.monotonic() - self.state.seconds
        patterns = len(self.sampler.training)
        if self.epochs is not None:
            self._meter.start(self.epochs * patterns, "patterns", done=self.state.epoch * patterns)
        elif self.options.time_limit is not None:
            self._meter.start(round(self.options.time_limit), "s", done=round(self.state.seconds))
        if self.state.epoch == 0:
            self._keep(self.last)
        try:
            while not (self._out_of_epochs() or self._out_of_time() or self._out_of_patience()):
                try:
                    self._finish_epoch(self._epoch())
                except TrainingSetback as setback:
                    self._go_back(setback)
        finally:
            # Also when the run is interrupted: all finished epochs are there to go on from.
            self._write()
        if self._out_of_patience():
            self.fabric.barrier()
            restore_training(self.best, self.network, self.optimiser)
        self._meter.finish()

    def _epoch(self) -> EpochReport:
        """One pass over the groups; raises TrainingSetback when loss or gradients stop being numbers."""
        started, state, fabric = time.monotonic(), self.state, self.fabric
        seeds = np.random.SeedSequence([state.seed, state.epoch, fabric.global_rank])
        torch.manual_seed(int(seeds.generate_state(1)[0]))
        groups = self.sampler.groups(state.epoch)
        steps = steps_of(
            groups, self.options.batch_size, self.options.accumulate, fabric.global_rank, fabric.world_size
        )
        losses: list[torch.Tensor] = []
        reports: list[ClipReport] = []
        self.network.train()
        for step, batch in enumerate(steps):
            begun = time.monotonic()
            rate = self._set_rate(step / len(steps))
            stepping = (step + 1) % self.options.accumulate == 0 or step + 1 == len(steps)
            with fabric.no_backward_sync(self.network, enabled=not stepping):  # type: ignore[arg-type]
                losses.append(self._backward(batch))
            if stepping:
                reports.append(self._step())
            # Without a number of epochs the bar counts seconds.
            units = time.monotonic() - begun if self.epochs is None else len(self.sampler.training) / len(steps)
            self._meter.advance(units, losses[-1], state.epoch + 1)
            if stepping and self._out_of_time():
                break
        loss = float(fabric.all_reduce(torch.stack(losses).mean()))  # type: ignore[arg-type]
        if not math.isfinite(loss):
            raise TrainingSetback("the loss stopped being a number")
        seen = len(losses) * steps[0].size * fabric.world_size
        seconds = time.monotonic() - started
        state.patterns += seen
        return EpochReport(
            epoch=state.epoch + 1,
            training_loss=loss,
            validation_loss=self._validation_loss(),
            learning_rate=rate,
            gradient_norm=float(np.mean([report.norm for report in reports])),
            clipped=float(np.mean([report.clipped for report in reports])),
            seconds=seconds,
            patterns_per_second=seen / seconds,
            collapsed=self._collapsed(),
        )

    def _backward(self, groups: NDArray[np.int64]) -> torch.Tensor:
        """Add the gradients of one batch of groups (G, K); returns its loss."""
        indices = groups.ravel()
        amplitude = self.feed.amplitude(indices)
        patches = self.network(amplitude, self.feed.probe)
        loss = self.objective.of_groups(patches, self.objective.measurement(amplitude, indices), groups)
        self.fabric.backward(loss / self.options.accumulate)
        return loss.detach()

    def _step(self) -> ClipReport:
        """Clip, let the optimiser step, and forget the gradients."""
        report = self.clip(self.network.parameters())
        if not math.isfinite(report.norm):
            raise TrainingSetback("the gradients stopped being numbers")
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return report

    def _set_rate(self, fraction_of_epoch: float) -> float:
        progress = (self.state.epoch + fraction_of_epoch) / self.epochs if self.epochs is not None else 0.0
        if self.options.time_limit is not None:
            progress = max(progress, self._seconds() / self.options.time_limit)
        rate = learning_rate(self.options, progress, self.state.epoch, self.state.plateau) * self.state.rate_factor
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        return rate

    @torch.no_grad()
    def _validation_loss(self) -> float | None:
        """Mean loss of the held-out patterns, each by itself; None if there are none."""
        if len(self.held_out) == 0:
            return None
        self.network.eval()
        total = 0.0
        for first in range(0, len(self.held_out), self.options.batch_size):
            indices = self.held_out[first : first + self.options.batch_size]
            amplitude = self.feed.amplitude(indices)
            patches = self.network(amplitude, self.feed.probe)
            loss = self.objective.of_patterns(patches, self.objective.measurement(amplitude, indices))
            total += float(loss) * len(indices)
        return total / len(self.held_out)

    @torch.no_grad()
    def _collapsed(self) -> bool:
        self.network.eval()
        measured = self.feed.amplitude(spread_over(self.sampler.training))
        predicted = diffraction_amplitude(self.network(measured, self.feed.probe), self.feed.probe)
        return has_collapsed(predicted, measured, self.feed.scale.amplitude)

    def _finish_epoch(self, report: EpochReport) -> None:
        """Take the epoch's figures into the state, save it and report; a collapse may send training back instead."""
        state = self.state
        if report.collapsed and not state.collapsed:
            self._meter.note(f"epoch {report.epoch}: all predictions are equal, the network has collapsed")
        if report.collapsed and self.options.on_collapse == "restart" and state.setbacks < SETBACKS:
            raise TrainingSetback("all predictions became equal")
        judged = report.training_loss if report.validation_loss is None else report.validation_loss
        state.epoch = report.epoch
        state.seconds = self._seconds()
        state.training_loss, state.validation_loss = report.training_loss, report.validation_loss
        state.collapsed = report.collapsed
        state.plateau.update(judged, self.options.floor)
        improved = state.best_loss is None or judged < state.best_loss
        if improved:
            state.best_loss, state.best_epoch = judged, report.epoch
            self._keep(self.best)
        self._keep(self.last)
        if time.monotonic() - self._written > CHECKPOINT_SECONDS:
            self._write()
        if self.fabric.is_global_zero:
            self.run.epoch_finished(report)

    def _go_back(self, setback: TrainingSetback) -> None:
        """Return to the last good epoch with half the rate; raises RunFailedError when that did not help before."""
        what = f"epoch {self.state.epoch + 1}: {setback}"
        setbacks, factor, seconds = self.state.setbacks + 1, self.state.rate_factor / 2, self._seconds()
        if setbacks > SETBACKS:
            raise RunFailedError(
                f"{what}, as it did {SETBACKS} times before with twice the learning rate; "
                "lower train.learning_rate or choose a stricter clipper."
            )
        self._meter.note(f"{what}; going back to the last good epoch with half the learning rate")
        self.optimiser.zero_grad(set_to_none=True)
        self._write()
        self.fabric.barrier()
        self.state = restore_training(self.last, self.network, self.optimiser)
        self.state.setbacks, self.state.rate_factor, self.state.seconds = setbacks, factor, seconds

    def _keep(self, path: Path) -> None:
        """Remember this moment for the checkpoint at `path`."""
        if self.fabric.is_global_zero:
            self._unwritten[path] = snapshot(self.network, self.optimiser, self.state)

    def _write(self) -> None:
        """Bring the checkpoints up to date; the best first, since the last one knows of it."""
        for path in (self.best, self.last):
            if path in self._unwritten:
                self._unwritten.pop(path).write(path)
        self._written = time.monotonic()

    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _out_of_epochs(self) -> bool:
        return self.epochs is not None and self.state.epoch >= self.epochs

    def _out_of_time(self) -> bool:
        limit = self.options.time_limit
        # All processes stop together, whatever their clocks say.
        return limit is not None and bool(self.fabric.broadcast(self._seconds() >= limit))

    def _out_of_patience(self) -> bool:
        patience = self.options.patience
        return patience is not None and self.state.epoch - self.state.best_epoch >= patience
