"""The suite of engines finds each defect; the Torch engine, which passes, is the sound one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from ptycho_host.contracts import Bundle, PatchBatch, RunContext, TrainingComponents, TrainingProblem
from ptycho_host.data.scan import Scan
from ptycho_host.errors import RunFailedError
from ptycho_host.testing import EngineConformance
from ptycho_torch.engine import build as build_torch
from ptycho_torch.workbench import TorchWorkbench

SMALL = {"generator": "stable_hybrid", "generator_options": {"width": 4}}
torch_engine = build_torch(device="cpu", threads=1)


@dataclass(frozen=True)
class Wrapped:
    """The Torch engine, with one thing done wrong."""

    def train(self, problem: TrainingProblem, components: TrainingComponents, run: RunContext) -> Bundle:
        return torch_engine.train(problem, components, run)

    def predict(self, bundle: Bundle, scan: Scan) -> Iterator[PatchBatch]:
        return torch_engine.predict(bundle, scan)

    def workbench(self) -> Any:
        return torch_engine.workbench()


@dataclass
class ToldOtherwise:
    """A run that passes reports on changed, or not at all."""

    run: Any
    change: Callable[[Any], Any]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.run, name)

    def epoch_finished(self, report: Any, bundle: Any = None) -> None:
        changed = self.change(report)
        if changed is not None:
            self.run.epoch_finished(changed, bundle)


class SkipsReports(Wrapped):
    def train(self, problem: TrainingProblem, components: TrainingComponents, run: RunContext) -> Bundle:
        told: Any = ToldOtherwise(run, lambda report: report if report.epoch % 2 else None)
        return torch_engine.train(problem, components, told)


class NumbersFromZero(Wrapped):
    def train(self, problem: TrainingProblem, components: TrainingComponents, run: RunContext) -> Bundle:
        told: Any = ToldOtherwise(run, lambda report: replace(report, epoch=report.epoch - 1))
        return torch_engine.train(problem, components, told)


class LearnsNothing(Wrapped):
    def train(self, problem: TrainingProblem, components: TrainingComponents, run: RunContext) -> Bundle:
        told: Any = ToldOtherwise(run, lambda report: replace(report, training_loss=1.0))
        return torch_engine.train(problem, components, told)


class IgnoresTheSeed(Wrapped):
    def train(self, problem: TrainingProblem, components: TrainingComponents, run: RunContext) -> Bundle:
        return torch_engine.train(replace(problem, seed=0), components, run)


class DrawsASeed(Wrapped):
    def train(self, problem: TrainingProblem, components: TrainingComponents, run: RunContext) -> Bundle:
        seed = int(np.random.default_rng().integers(2**31))
        return torch_engine.train(replace(problem, seed=seed), components, run)


class SeedsEverybody(Wrapped):
    def train(self, problem: TrainingProblem, components: TrainingComponents, run: RunContext) -> Bundle:
        random.seed(problem.seed)
        return torch_engine.train(problem, components, run)


class StartsAnew(Wrapped):
    def train(self, problem: TrainingProblem, components: TrainingComponents, run: RunContext) -> Bundle:
        return torch_engine.train(problem, components, replace(run, resume=False))  # type: ignore[type-var]


class ForgetsWhatItLearnt(Wrapped):
    """Goes on with the right epochs, from other weights."""

    def train(self, problem: TrainingProblem, components: TrainingComponents, run: RunContext) -> Bundle:
        bundle = torch_engine.train(problem, components, run)
        return replace(bundle, weights={n: 2 * w for n, w in bundle.weights.items()}) if run.resume else bundle


class InfiniteWeights(Wrapped):
    def train(self, problem: TrainingProblem, components: TrainingComponents, run: RunContext) -> Bundle:
        bundle = torch_engine.train(problem, components, run)
        return replace(bundle, weights={n: w / np.float32(0) + 1 for n, w in bundle.weights.items()})


class Backwards(Wrapped):
    def predict(self, bundle: Bundle, scan: Scan) -> Iterator[PatchBatch]:
        return torch_engine.predict(bundle, scan.subset(np.arange(scan.count)[::-1]))


class FirstBatchOnly(Wrapped):
    """Stops after eight patterns."""

    def predict(self, bundle: Bundle, scan: Scan) -> Iterator[PatchBatch]:
        yield next(iter(torch_engine.predict(bundle, scan.subset(np.arange(8)))))


class RescalesByScan(Wrapped):
    """Patches depend on what else is in the scan."""

    def predict(self, bundle: Bundle, scan: Scan) -> Iterator[PatchBatch]:
        for batch in torch_engine.predict(bundle, scan):
            yield replace(batch, patches=batch.patches * np.float32(scan.count))


class OneChannelOnly(Wrapped):
    def train(self, problem: TrainingProblem, components: TrainingComponents, run: RunContext) -> Bundle:
        return torch_engine.train(replace(problem, channels=1), components, run)


class AnythingForOtherSizes(Wrapped):
    def predict(self, bundle: Bundle, scan: Scan) -> Iterator[PatchBatch]:
        yield PatchBatch(np.ones((scan.count, scan.pixels, scan.pixels), np.complex64), scan.positions)


class GoesOnWithoutNumbers(Wrapped):
    def train(self, problem: TrainingProblem, components: TrainingComponents, run: RunContext) -> Bundle:
        try:
            return torch_engine.train(problem, components, run)
        except RunFailedError as error:
            raise ValueError("loss is nan") from error


class Unseeded(TorchWorkbench):
    def seeded(self, seed: int) -> AbstractContextManager[None]:
        return nullcontext()


class WithoutSeeds(Wrapped):
    def workbench(self) -> Any:
        return Unseeded(torch_engine.workbench().fabric)


REPORTED = "test_epochs_are_reported"
SEED = "test_the_seed_decides"
RESUMED = "test_training_goes_on_where_it_was_interrupted"
ORDER = "test_patches_come_in_order"
DEFECTS: list[tuple[type, str, str]] = [
    (SkipsReports, REPORTED, r"reports epochs \[1, 3, 5\] where 1 to 6 are due"),
    (NumbersFromZero, REPORTED, r"reports epochs \[0, 1, 2, 3, 4, 5\]"),
    (LearnsNothing, REPORTED, r"does not lower the loss in six epochs"),
    (IgnoresTheSeed, SEED, r"trains the same weights whatever the seed"),
    (DrawsASeed, SEED, r"trains other weights under the same seed"),
    (SeedsEverybody, SEED, r"global random numbers"),
    (StartsAnew, RESUMED, r"goes on with epochs \[1, 2, 3\] where 2 and 3 are left"),
    (ForgetsWhatItLearnt, RESUMED, r"weights that differ by .* when it was interrupted"),
    (InfiniteWeights, ORDER, r"trains to weights that are not finite"),
    (Backwards, ORDER, r"in the order of the scan"),
    (FirstBatchOnly, ORDER, r"predicts patches \(8, 32, 32\) complex64 where finite ones \(25, 32, 32\)"),
    (RescalesByScan, ORDER, r"other patches of the same patterns in a smaller, reordered scan"),
    (OneChannelOnly, "test_groups_of_patterns", r"trains for PatchShape\(pixels=32, channels=1\)"),
    (AnythingForOtherSizes, "test_other_patterns_are_refused", r"predicts something for patterns of another size"),
    (GoesOnWithoutNumbers, "test_a_loss_that_is_no_number_ends_training", r"raises ValueError when the loss is not"),
    (WithoutSeeds, "test_workbench_restores_the_random_numbers", r"does not repeat random numbers"),
]


@pytest.mark.parametrize(("engine", "check", "sentence"), DEFECTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_defect_is_found(trial: Callable[..., Any], engine: type, check: str, sentence: str) -> None:
    lab = trial(EngineConformance, lambda: engine(), backend="torch", **SMALL)
    with np.errstate(all="ignore"), pytest.raises(AssertionError, match=sentence) as failure:
        lab.check(check)
    assert str(failure.value).startswith("engine 'lab' (lab) ")


def test_the_wrapping_itself_is_sound(trial: Callable[..., Any]) -> None:
    lab = trial(EngineConformance, lambda: Wrapped(), backend="torch", **SMALL)
    for check in (REPORTED, RESUMED, ORDER):
        lab.check(check)
