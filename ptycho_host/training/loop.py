"""The training loop, the same for every tensor library."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ptycho_host.configured import ConfiguredComponent
from ptycho_host.contracts import Bundle, ClipReport, RunContext, Tensor, TrainingProblem
from ptycho_host.errors import BundleError, RunFailedError
from ptycho_host.processes import Processes
from ptycho_host.records import EpochReport
from ptycho_host.training.interruption import Interruption, interruption_noted
from ptycho_host.training.sampling import GroupSampler, Indices, steps_of
from ptycho_host.training.schedule import learning_rate
from ptycho_host.training.state import Arrays, Snapshot, TrainingState, read_snapshot
from ptycho_host.training.watch import ProgressMeter, TrainingSetback, has_collapsed, spread_over

SETBACKS = 2
"""How often a training may go back to its last checkpoint with half the learning rate."""


class TrainingSteps(Protocol):
    """What an engine supplies: a network and its optimiser, and what can be done with them.

    Where several processes train together, gradients are averaged over them, and all have the same weights.
    """

    def epoch(self, seed: int, steps: Indices) -> AbstractContextManager[None]:
        """Around all steps of an epoch, whose random numbers come from `seed`.

        steps: (S, A, G, K), what `step` will be given, in that order: an engine may read ahead. An epoch can end early:
        then, too, nothing goes on in the background.
        """
        ...

    def step(self, batches: Indices, rate: float) -> tuple[Tensor, ClipReport]:
        """One step of the optimiser at learning rate `rate`; returns the mean loss, a scalar, and the clipper's report.

        batches: (A, G, K), patterns of the scan: the gradients of A batches of G groups are averaged.
        Where the gradients are not numbers, nothing need be updated: training will go back.
        """
        ...

    def pattern_loss(self, groups: Indices) -> float:
        """Mean loss of groups (V, C) as the generator sees them, each pattern by itself, outside of training.

        It is asked for in all processes as often, each with groups of its own.
        """
        ...

    def predicted_amplitudes(self, groups: Indices) -> NDArray[np.floating[Any]]:
        """Predicted amplitudes (V, N, N) of the first pattern of each group (V, C), in model units."""
        ...

    def snapshot(self) -> Arrays:
        """Copies of all weights and of the optimiser's memory, by name."""
        ...

    def restore(self, arrays: Arrays) -> None:
        """Put them back and forget all gradients; raises BundleError when they do not fit."""
        ...

    def weights(self) -> Arrays:
        """Copies of what a bundle needs to predict, by name."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """What a bundle says of the generator besides, such as how many parameters it has."""
        ...


@dataclass
class TrainingLoop:
    """Everything that an epoch needs; `state` is all that changes, apart from the tensors inside `steps`.

    Of several `processes` the first one writes; all take the same decisions, from figures that they share.
    """

    problem: TrainingProblem
    generator: ConfiguredComponent
    steps: TrainingSteps
    sampler: GroupSampler
    run: RunContext
    state: TrainingState
    processes: Processes = field(default_factory=Processes)

    def __post_init__(self) -> None:
        self.options = self.problem.options
        self.epochs = self.options.epochs_for(len(self.problem.training))
        self.last = self.run.checkpoints / "last.safetensors"
        self.best = self.run.checkpoints / "best.safetensors"
        self._held_out = self._seen(self.problem.held_out, self.problem.held_out)
        self._watched = self._seen(spread_over(self.problem.training), self.problem.training)
        self._started = time.monotonic()
        self._clock = 0.0
        self._told = 0.0
        self._interruption = Interruption()
        self._written = -math.inf
        self._unwritten: dict[Path, Snapshot] = {}
        self._meter = ProgressMeter(self.run.progress, enabled=self.processes.first)

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one; raises BundleError when it belongs to another run."""
        # A file that one process has just written may not be there for another one yet: the first one decides.
        if not self.processes.agreed(self.last.exists()):
            return
        with self.processes.together():
            state = self._restore(self.last)
            if state.seed != self.state.seed:
                raise BundleError(
                    f"{self.last} was trained with seed {state.seed}, not {self.state.seed}; keep the seed."
                )
        self.state = state

    def train(self) -> None:
        """Run all epochs that are left; end early when time or patience is over.

        The last weights are kept, since rates that fall make them the best; only when patience ran out are those of
        the best epoch taken.
        """
        self._started = time.monotonic() - self.state.seconds
        self._clock = self.state.seconds
        total, unit = self._whole()
        self._meter.start(round(total), unit, done=round(self._untold()))
        if self.state.epoch == 0:
            self._keep(self.last)
        try:
            with interruption_noted(self._interruption, enabled=self.processes.world > 1):
                self._run_epochs()
        finally:
            # Also when the run is interrupted: all finished epochs are there to go on from.
            self._write()
        if self._out_of_patience():
            self.processes.barrier()
            self._restore(self.best)
        # The clock may have run out between two steps.
        self._meter.finish(self._untold())

    def bundle(self) -> Bundle:
        """The generator as it is now."""
        return Bundle(
            generator=self.generator,
            weights=self.steps.weights(),
            shape=self.problem.shape,
            scale=self.problem.scale,
            facts={**self.steps.facts(), **self.state.facts(self.problem)},
        )

    def _run_epochs(self) -> None:
        self._keep_step()
        while not (self._out_of_epochs() or self._out_of_time() or self._out_of_patience()):
            try:
                self._finish_epoch(self._epoch())
            except TrainingSetback as setback:
                self._go_back(setback)
            self._keep_step()

    def _epoch(self) -> EpochReport:
        """One pass over the groups; raises TrainingSetback when loss or gradients stop being numbers."""
        started, state, steps = time.monotonic(), self.state, self.steps
        groups = self.sampler.groups(state.epoch)
        rank, world = self.processes.rank, self.processes.world
        batches = steps_of(groups, self.options.batch_size, self.options.accumulate, rank, world)
        seeds = np.random.SeedSequence([state.seed, state.epoch, rank])
        losses: list[Tensor] = []
        reports: list[ClipReport] = []
        with steps.epoch(int(seeds.generate_state(1)[0]), batches):
            for number, step in enumerate(batches):
                rate = self._rate(number / len(batches))
                loss, report = steps.step(step, rate)
                if not math.isfinite(report.norm):
                    raise TrainingSetback("the gradients stopped being numbers")
                losses.append(loss)
                reports.append(report)
                self._keep_step()
                self._meter.advance(self._untold((number + 1) / len(batches)), loss, self.state.epoch + 1)
                if self._out_of_time():
                    break
        loss = self.processes.mean(float(np.mean([float(loss) for loss in losses])))
        if not math.isfinite(loss):
            raise TrainingSetback("the loss stopped being a number")
        seen = len(losses) * batches[0].size * world
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

    def _untold(self, fraction_of_epoch: float = 0.0) -> float:
        """What the bar counts of the training since it was told last, up to the fraction of this epoch."""
        done = self._done(fraction_of_epoch) * self._whole()[0]
        units, self._told = done - self._told, done
        return units

    def _whole(self) -> tuple[float, str]:
        """What the bar counts: patterns or seconds, whichever ends the training, or parts of it where both may."""
        if self.epochs is None:
            return self.options.time_limit or 0.0, "s"
        if self.options.time_limit is None:
            return float(self.epochs * len(self.problem.training)), "patterns"
        return 100.0, "%"

    def _done(self, fraction_of_epoch: float = 0.0) -> float:
        """How much of the training is done, by epochs or by the clock: whichever comes to its end first."""
        by_epochs = (self.state.epoch + fraction_of_epoch) / self.epochs if self.epochs is not None else 0.0
        by_clock = self._clock / self.options.time_limit if self.options.time_limit is not None else 0.0
        return min(max(by_epochs, by_clock), 1.0)

    def _rate(self, fraction_of_epoch: float) -> float:
        options, state = self.options, self.state
        return learning_rate(options, self._done(fraction_of_epoch), state.epoch, state.plateau) * state.rate_factor

    def _seen(self, anchors: Indices, among: Indices) -> Indices:
        """Groups (V, C) with the given first members, the others from `among`: what the generator sees of each."""
        channels = self.problem.channels
        if len(among) < channels:
            return np.empty((0, channels), dtype=np.int64)
        positions = self.problem.scan.positions[among]
        members = self.sampler.arrangement.around(
            positions, np.searchsorted(among, anchors), channels, np.random.default_rng(0)
        )
        return among[members]

    def _validation_loss(self) -> float | None:
        """Mean loss of the held-out patterns, each by itself; None if there are none."""
        held_out = self._held_out
        if len(held_out) == 0:
            return None
        rank, world = self.processes.rank, self.processes.world
        together = max(1, self.options.batch_size // self.problem.channels)
        # As many batches for each process, whose networks may wait for each other: one without any takes part.
        shares = np.array_split(held_out, world * math.ceil(len(held_out) / (together * world)))[rank::world]
        losses = [self.steps.pattern_loss(share if len(share) else held_out[:1]) * len(share) for share in shares]
        return self.processes.mean(sum(losses)) * world / len(held_out)

    def _collapsed(self) -> bool:
        scan, scale = self.problem.scan, self.problem.scale
        measured = scale.model_amplitude(scan.batch(self._watched[:, 0]))
        collapsed = has_collapsed(self.steps.predicted_amplitudes(self._watched), measured, scale.amplitude)
        return bool(self.processes.agreed(collapsed))

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
        with self.processes.together():
            # The history first: an epoch that is in it and not in the checkpoint is done again and replaces its line.
            if self.processes.first:
                told = time.monotonic()
                self.run.epoch_finished(report, self.bundle)
                # What observers make of it is no time of training: the same run, watched or not, ends with the same.
                self._started += time.monotonic() - told
            if time.monotonic() - self._written >= self.options.checkpoint_interval:
                self._write()

    def _go_back(self, setback: TrainingSetback) -> None:
        """Return to the last good epoch with half the rate; raises RunFailedError when that did not help before."""
        what = f"epoch {self.state.epoch + 1}: {setback}"
        setbacks, factor, seconds = self.state.setbacks + 1, self.state.rate_factor / 2, self._seconds()
        with self.processes.together():
            self._write()
            if setbacks > SETBACKS:
                raise RunFailedError(
                    f"{what}, as it did {SETBACKS} times before with twice the learning rate; "
                    "lower train.learning_rate or choose a stricter clipper."
                )
        self._meter.note(f"{what}; going back to the last good epoch with half the learning rate")
        self.state = self._restore(self.last)
        self.state.setbacks, self.state.rate_factor, self.state.seconds = setbacks, factor, seconds

    def _restore(self, path: Path) -> TrainingState:
        arrays, state = read_snapshot(path)
        self.steps.restore(arrays)
        return state

    def _keep(self, path: Path) -> None:
        """Remember this moment for the checkpoint at `path`."""
        if self.processes.first:
            self._unwritten[path] = Snapshot.of(self.steps.snapshot(), self.state)

    def _write(self) -> None:
        """Bring the checkpoints up to date; the best first, since the last one knows of it."""
        for path in (self.best, self.last):
            if path in self._unwritten:
                self._unwritten.pop(path).write(path)
        self._written = time.monotonic()

    def _keep_step(self) -> None:
        """Take the first process's time; raise KeyboardInterrupt when one of them has been interrupted."""
        seconds = self._seconds() if self.processes.first else 0.0
        came, self._clock = self.processes.total(np.array([float(self._interruption.came), seconds])).tolist()
        if came:
            with self.processes.together():
                self._write()
                raise KeyboardInterrupt

    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _out_of_epochs(self) -> bool:
        return self.epochs is not None and self.state.epoch >= self.epochs

    def _out_of_time(self) -> bool:
        limit = self.options.time_limit
        return limit is not None and self._clock >= limit

    def _out_of_patience(self) -> bool:
        patience = self.options.patience
        return patience is not None and self.state.epoch - self.state.best_epoch >= patience
