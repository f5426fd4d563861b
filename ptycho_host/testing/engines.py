"""Conformance of engines."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_host.configured import ConfiguredComponent, configure
from ptycho_host.contracts import Bundle, TrainingComponents, TrainingEngine, TrainingProblem, WeightedLoss
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError, RunFailedError
from ptycho_host.plugins import Host
from ptycho_host.testing.scans import sight, simulated_scan
from ptycho_host.testing.suite import OptionConformance
from ptycho_host.testing.trial import QuietRun, small_problem, stand_in, with_usual

SINGLE = 1e-3
"""Relative difference of weights and patches that sums in another order may make in a few steps."""


class EngineConformance(OptionConformance):
    """An engine keeps its contract: it trains, reports, goes on where it was stopped, and predicts in order.

    generator: the registered generator to train, small by `generator_options`; none takes any of the back-end.
    """

    kind = "engine"
    contract = "ptycho_host.contracts, engines"
    generator: ClassVar[str | None] = None
    generator_options: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def parts(self, host: Host, component: ConfiguredComponent) -> TrainingComponents:
        """What is trained."""
        return self.trained(host, component)

    def trained(self, host: Host, component: ConfiguredComponent) -> TrainingComponents:
        """The generator of this class, with a loss and a clipper of the engine's back-end."""
        backend = component.component.backend
        self.require(backend, component, "names no back-end; its descriptor needs backend='…'")
        if self.generator is None:
            return with_usual(host, stand_in(host, "generator", backend))
        return with_usual(host, configure(host, "generator", self.generator, self.generator_options, backend))

    def test_epochs_are_reported(
        self, component: ConfiguredComponent, parts: TrainingComponents, tmp_path: Path
    ) -> None:
        """One report an epoch, in order, with finite figures; training lowers the loss."""
        run = QuietRun(tmp_path)
        self._train(component, small_problem(simulated_scan(), epochs=6), parts, run)
        epochs = [report.epoch for report in run.reports]
        self.require(epochs == [1, 2, 3, 4, 5, 6], component, f"reports epochs {epochs} where 1 to 6 are due")
        losses = [report.training_loss for report in run.reports]
        norms = [report.gradient_norm for report in run.reports]
        self.require(
            np.isfinite(losses).all() and np.isfinite(norms).all(), component, "reports figures that are not finite"
        )
        self.require(
            losses[-1] < losses[0], component, f"does not lower the loss in six epochs: {losses[0]:g} to {losses[-1]:g}"
        )

    def test_the_seed_decides(self, component: ConfiguredComponent, parts: TrainingComponents, tmp_path: Path) -> None:
        """The same seed gives the same weights, another seed others; the caller's random numbers go on as before."""
        outside = (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]  # noqa: NPY002
        first, again, other = (
            self._train(component, small_problem(simulated_scan(), seed=seed), parts, QuietRun(_folder(tmp_path, name)))
            for seed, name in ((1, "first"), (1, "again"), (2, "other"))
        )
        self.require(_difference(again, first) < SINGLE, component, "trains other weights under the same seed")
        self.require(_difference(other, first) > SINGLE, component, "trains the same weights whatever the seed")
        now = (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]  # noqa: NPY002
        self.require(outside == now, component, "draws from the global random numbers of Python or NumPy")

    def test_training_goes_on_where_it_was_interrupted(
        self, component: ConfiguredComponent, parts: TrainingComponents, tmp_path: Path
    ) -> None:
        """An interrupted training, resumed, reports the epochs that were left and ends with the same weights."""
        problem = small_problem(simulated_scan(), epochs=3)
        whole = self._train(component, problem, parts, QuietRun(_folder(tmp_path, "whole")))
        folder = _folder(tmp_path, "parted")
        with pytest.raises(KeyboardInterrupt):
            component.build().train(problem, parts, QuietRun(folder, stop_after=1))
        rest = QuietRun(folder, resume=True)
        resumed = self._train(component, problem, parts, rest)
        epochs = [report.epoch for report in rest.reports]
        self.require(epochs == [2, 3], component, f"goes on with epochs {epochs} where 2 and 3 are left")
        difference = _difference(resumed, whole)
        self.require(
            difference < SINGLE, component, f"ends with weights that differ by {difference:.2g} when it was interrupted"
        )

    def test_patches_come_in_order(
        self, component: ConfiguredComponent, parts: TrainingComponents, tmp_path: Path
    ) -> None:
        """All patterns, each once, complex64 (B, N, N), with their positions; in other orders the same patches."""
        scan = simulated_scan()
        engine: TrainingEngine = component.build()
        bundle = self._train(component, small_problem(scan), parts, QuietRun(tmp_path))
        patches = self._predicted(component, engine, bundle, scan.positions, scan)
        order = np.array([7, 3, 20, 0])
        some = self._predicted(component, engine, bundle, scan.positions[order], scan.subset(order))
        difference = np.linalg.norm(some - patches[order]) / np.linalg.norm(some)
        self.require(
            difference < SINGLE, component, "predicts other patches of the same patterns in a smaller, reordered scan"
        )

    def test_groups_of_patterns(
        self, component: ConfiguredComponent, parts: TrainingComponents, tmp_path: Path
    ) -> None:
        """With C = 4 the generator sees groups, and still every pattern has its one patch."""
        scan = simulated_scan()
        problem = replace(small_problem(scan), channels=4)
        bundle = self._train(component, problem, parts, QuietRun(tmp_path))
        self.require(
            bundle.shape == problem.shape, component, f"trains for {bundle.shape} where {problem.shape} is due"
        )
        self._predicted(component, component.build(), bundle, scan.positions, scan)

    def test_other_patterns_are_refused(
        self, component: ConfiguredComponent, parts: TrainingComponents, tmp_path: Path
    ) -> None:
        """A scan whose patterns have another size than those of training is an InputError."""
        engine: TrainingEngine = component.build()
        bundle = self._train(component, small_problem(simulated_scan(), epochs=1), parts, QuietRun(tmp_path))
        try:
            list(engine.predict(bundle, simulated_scan(16)))
        except InputError:
            return
        except Exception as error:  # noqa: BLE001 - any other failure is what is reported here
            found = f"raises {type(error).__name__}"
        else:
            found = "predicts something"
        self.require(
            False, component, f"{found} for patterns of another size than those of training; InputError is due"
        )

    def test_a_loss_that_is_no_number_ends_training(
        self, component: ConfiguredComponent, parts: TrainingComponents, tmp_path: Path
    ) -> None:
        """RunFailedError with a sentence, not weights that are no numbers."""
        (term,) = parts.losses
        broken = replace(parts, losses=(WeightedLoss("broken", float("nan"), term.loss),))
        try:
            component.build().train(small_problem(simulated_scan()), broken, QuietRun(tmp_path))
        except RunFailedError:
            return
        except Exception as error:  # noqa: BLE001 - any other failure is what is reported here
            found = f"raises {type(error).__name__}"
        else:
            found = "goes on"
        self.require(False, component, f"{found} when the loss is not a number; RunFailedError is due")

    def test_workbench_restores_the_random_numbers(self, host: Host, component: ConfiguredComponent) -> None:
        """`seeded` blocks repeat, whatever was drawn between them: generators are built in them."""
        generator = self.trained(host, component).generator
        bench = component.build().workbench()
        inputs = sight(32, batch=1).inputs
        weights = []
        for _ in range(2):
            with bench.seeded(5):
                built = generator.build(small_problem(simulated_scan()).shape)
                bench.patches(built, inputs)
            weights.append(bench.weights(built))
        same = all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
        self.require(weights[0] and same, component, "does not repeat random numbers in workbench().seeded(seed)")

    # --- how -----------------------------------------------------------------------------------------------------

    def _train(
        self, component: ConfiguredComponent, problem: TrainingProblem, parts: TrainingComponents, run: QuietRun
    ) -> Bundle:
        with self.attempt(component, "to train"):
            bundle: Bundle = component.build().train(problem, parts, run)
        finite = bundle.weights and all(np.isfinite(weight).all() for weight in bundle.weights.values())
        self.require(finite, component, "trains to weights that are not finite, or to none")
        return bundle

    def _predicted(
        self,
        component: ConfiguredComponent,
        engine: TrainingEngine,
        bundle: Bundle,
        positions: NDArray[np.float64],
        scan: Scan,
    ) -> NDArray[np.complex64]:
        with self.attempt(component, "to predict"):
            batches = list(engine.predict(bundle, scan))
        patches = np.concatenate([batch.patches for batch in batches])
        due = (scan.count, scan.pixels, scan.pixels)
        self.require(
            patches.shape == due and patches.dtype == np.complex64 and np.isfinite(patches).all(),
            component,
            f"predicts patches {patches.shape} {patches.dtype} where finite ones {due} complex64 are due",
        )
        self.require(
            np.array_equal(np.concatenate([batch.positions for batch in batches]), positions),
            component,
            "does not predict the patches in the order of the scan, with their positions",
        )
        return patches


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def _difference(first: Bundle, second: Bundle) -> float:
    """Relative difference of all weights together; infinite for other names or shapes."""
    if {name: array.shape for name, array in first.weights.items()} != {
        name: array.shape for name, array in second.weights.items()
    }:
        return float("inf")
    apart = sum(float(np.sum(np.abs(first.weights[name] - second.weights[name]) ** 2)) for name in first.weights)
    size = sum(float(np.sum(np.abs(array) ** 2)) for array in second.weights.values())
    return float(np.sqrt(apart / size))
