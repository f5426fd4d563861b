"""Conformance of generators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_host.components import Generator
from ptycho_host.config import TrainOptions
from ptycho_host.configured import ConfiguredComponent
from ptycho_host.contracts import GeneratorInputs, PatchShape, TrainingEngine, Workbench
from ptycho_host.errors import InputError, quoted
from ptycho_host.options import OptionSchema
from ptycho_host.plugins import Host
from ptycho_host.resolution import training_for
from ptycho_host.runs.bundle import load_bundle, save_bundle
from ptycho_host.testing.choices import values_of
from ptycho_host.testing.scans import Sight, sight, simulated_scan
from ptycho_host.testing.suite import OptionConformance
from ptycho_host.testing.trial import (
    QuietRun,
    WatchedComponent,
    engine_for,
    other_workbenches,
    small_problem,
    stand_in,
    with_usual,
    workbench_for,
)
from ptycho_host.workflows.run import Run
from ptycho_host.workflows.scans import write_scan
from ptycho_host.workflows.train import train

Patches = NDArray[np.complexfloating[Any, Any]]

SINGLE = 1e-3
"""Relative error, in the root mean square, that single precision may add up to inside a network."""
LOW = 0.1
"""The same for half precisions: three decimal digits, through many layers."""
STEPS_TO_REACH = 3
"""Layers that start at zero hold the gradient of those before them back for a step or two."""


class GeneratorConformance(OptionConformance):
    """A generator keeps its contract: shapes, seeds, gradients, independence of the batch, training, bundles.

    pixels: sizes N of the patterns that the generator is made for. channels: patterns of a group C, for a factory
    that takes a PatchShape.
    """

    kind = "generator"
    contract = "ptycho_host.contracts, generators"
    supplied = 1
    pixels: ClassVar[tuple[int, ...]] = (32, 64)
    channels: ClassVar[tuple[int, ...]] = (1, 4)

    @pytest.fixture
    def bench(self, host: Host, component: ConfiguredComponent) -> Workbench:
        """A workbench of the generator's back-end."""
        self._only_patterns(component)
        return workbench_for(host, component)

    # --- what it asks for -----------------------------------------------------------------------------------------

    def test_training_that_suits_it_exists(self, component: ConfiguredComponent) -> None:
        """What the descriptor says of training are options of the section `train`, with values that are allowed."""
        with self.attempt(component, "looking at the training it asks for"):
            training_for(component.registration, TrainOptions())

    # --- what it is ---------------------------------------------------------------------------------------------

    def test_patches_are_complex_and_of_the_patterns_shape(
        self, component: ConfiguredComponent, bench: Workbench
    ) -> None:
        """(B, C, N, N) complex64, finite, for every N and C that the generator is made for."""
        takes_shape = OptionSchema(component.registration.load(), component.registration.label).supplied > 0
        for pixels in self.pixels:
            for channels in self.channels if takes_shape else (1,):
                self._check_patches(component, bench, sight(pixels, channels, batch=2).inputs)

    def test_other_sizes_are_refused_in_a_sentence(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """Patterns of 22 pixels, which cannot be halved twice, either work or raise an InputError."""
        try:
            self._check_patches(component, bench, sight(22, batch=2).inputs)
        except InputError:
            pass
        except AssertionError as error:
            if isinstance(error.__cause__, InputError):
                return
            raise AssertionError(
                f"{error} A size that does not suit it is refused by raising an InputError that says which sizes do."
            ) from error

    def test_nearly_empty_patterns_make_finite_patches(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """A pattern may hold a single photon, and a division by its mean or spread must not blow up."""
        seen = sight(self.pixels[0], batch=2)
        amplitude = np.zeros_like(seen.inputs.amplitude)
        amplitude[0, 0, 1, 1] = 1
        empty = replace(seen.inputs, amplitude=amplitude, initial=np.zeros_like(seen.inputs.initial))
        patches = self._patches(component, bench, empty)
        self.require(np.isfinite(patches).all(), component, "makes patches that are not finite of empty patterns")

    def test_inputs_are_left_alone(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """The engine still needs what it handed over."""
        inputs = sight(self.pixels[0]).inputs
        before = GeneratorInputs(inputs.amplitude.copy(), inputs.initial.copy(), inputs.probe.copy())
        self._patches(component, bench, inputs)
        unchanged = all(
            np.array_equal(getattr(inputs, name), getattr(before, name)) for name in ("amplitude", "initial", "probe")
        )
        self.require(unchanged, component, "changes its inputs in place; work on a copy")

    # --- seeds --------------------------------------------------------------------------------------------------

    def test_the_seed_decides(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """The same seed gives the same weights and patches; another seed gives others."""
        inputs = sight(self.pixels[0], batch=2).inputs
        first, again, other = (self._built(component, bench, inputs, seed) for seed in (1, 1, 2))
        weights, repeated, changed = (bench.weights(generator) for generator in (first, again, other))
        self.require(
            _same(weights, repeated) and np.array_equal(bench.patches(first, inputs), bench.patches(again, inputs)),
            component,
            "differs from itself under the same seed; draw all random numbers from the tensor library's own generator",
        )
        drawn = any(np.ptp(np.abs(weight)) > 0 for weight in weights.values())
        self.require(
            not drawn or not _same(weights, changed),
            component,
            "has the same weights under every seed; it must not seed random numbers itself",
        )

    def test_prediction_repeats(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """Outside of training nothing is random: no dropout, no noise."""
        inputs = sight(self.pixels[0], batch=2).inputs
        generator = self._stirred(component, bench, sight(self.pixels[0]))
        with bench.seeded(1):
            first = bench.patches(generator, inputs)
        with bench.seeded(2):
            second = bench.patches(generator, inputs)
        self.require(
            np.array_equal(first, second), component, "predicts something else each time; be random in training only"
        )

    # --- training -----------------------------------------------------------------------------------------------

    def test_gradients_reach_every_parameter(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """After some steps every trainable parameter has had a finite gradient that is not zero."""
        seen = sight(self.pixels[0])
        generator = self._built(component, bench, seen.inputs)
        missing = set(bench.weights(generator))
        for _ in range(STEPS_TO_REACH):
            with self.attempt(component, "to give gradients"):
                _, gradients = bench.descend(generator, seen.inputs, seen.probe, 0.0)
                self._descend_a_little(bench, generator, seen, 1e-2)
            bad = sorted(name for name, gradient in gradients.items() if not _finite(gradient))
            self.require(not bad, component, f"has gradients that are not finite, in {quoted(bad)}")
            missing -= {name for name, gradient in gradients.items() if gradient is not None and gradient.any()}
        self.require(
            not missing,
            component,
            f"never passes a gradient to {quoted(sorted(missing))}; use these parameters, or do not train them",
        )

    def test_a_step_downhill_lowers_the_loss(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """The gradients are those of what the generator computes: a short step against them lowers the loss."""
        seen = sight(self.pixels[0])
        before = after = 0.0
        for fraction in (1e-2, 1e-3, 1e-4):
            generator = self._built(component, bench, seen.inputs)
            # The gradient of a layer that starts at zero may vanish once; dropout must fall alike in each step.
            with self.attempt(component, "to give gradients"):
                self._descend_a_little(bench, generator, seen, 1e-2)
                before = self._descend_a_little(bench, generator, seen, fraction)
                after = self._descend_a_little(bench, generator, seen, 0.0)
            if after < before:
                return
        raise AssertionError(
            f"{component.registration.label} does not learn: short steps against its gradients took the loss from "
            f"{before:g} to {after:g}; its backward pass is not that of its forward pass (see {self.contract})."
        )

    def test_trained_patches_come_back_from_the_bundle(
        self, host: Host, component: ConfiguredComponent, bench: Workbench, tmp_path: Path
    ) -> None:
        """Weights and options are the whole generator: built anew from the bundle it predicts what it did before."""
        watched = WatchedComponent.of(component)
        engine: TrainingEngine = engine_for(host, component).build()
        scan = simulated_scan(self.pixels[0])
        # Not the seed with which an engine builds what a bundle then fills.
        problem = small_problem(scan, seed=7)
        checkpoints = tmp_path / "checkpoints"
        checkpoints.mkdir()
        with self.attempt(component, "to be trained"):
            bundle = engine.train(problem, with_usual(host, watched), QuietRun(checkpoints))
        bad = sorted(name for name, weight in bundle.weights.items() if not np.isfinite(weight).all())
        self.require(not bad, component, f"has weights that are not finite after two epochs, {quoted(bad)}")
        seen = sight(self.pixels[0], batch=scan.count)
        trained = bench.patches(watched.built[0], seen.inputs)[:, 0]
        save_bundle(bundle, tmp_path / "bundle")
        with self.attempt(component, "to be built anew from its bundle"):
            loaded = load_bundle(tmp_path / "bundle", host)
            again = np.concatenate([batch.patches for batch in engine.predict(loaded, scan)])
        self.require(
            _error(again, trained) < SINGLE,
            component,
            "predicts something else once it is loaded from its bundle; all that it knows must be parameters or "
            "buffers that are saved with the weights",
        )

    def test_a_run_of_training(self, host: Host, component: ConfiguredComponent, tmp_path: Path) -> None:
        """`ptycho train` goes through, and the run reconstructs the scan once more to the same object."""
        backend = component.component.backend
        choices = {
            section: stand_in(host, kind, backend).as_table()
            for section, kind in (("loss", "loss"), ("clip", "clipper"), ("stitch", "stitcher"))
        }
        scan = simulated_scan(self.pixels[0])
        write_scan(scan, tmp_path / "scan.npz", host=host)
        config = {
            "backend": backend,
            "data": {"source": str(tmp_path / "scan.npz")},
            "generator": component.as_table(),
            "train": {"epochs": 2, "batch_size": 8},
            **choices,
        }
        with self.attempt(component, "in a run of training"):
            run = train(config, out=tmp_path / "run", host=host)
            losses = [report.training_loss for report in run.history]
            reconstruction = run.reconstruct(scan)
            again = Run.open(tmp_path / "run", host=host).reconstruct(scan)
        self.require(
            np.isfinite(losses).all() and np.isfinite(reconstruction.object).all(),
            component,
            "makes losses or an object that are not finite in a run of training",
        )
        self.require(
            _error(again.object, reconstruction.object) < SINGLE,
            component,
            "reconstructs another object when its run is opened again",
        )

    # --- prediction ---------------------------------------------------------------------------------------------

    def test_prediction_depends_on_neither_batch_size_nor_order(
        self, component: ConfiguredComponent, bench: Workbench
    ) -> None:
        """A pattern's patch is its own, whatever stands beside it in the batch."""
        seen = sight(self.pixels[0], batch=5)
        generator = self._stirred(component, bench, seen)
        order = [3, 0, 4, 1, 2]
        with self.attempt(component, "on batches of other sizes"):
            whole = bench.patches(generator, seen.inputs)
            reordered = bench.patches(generator, seen.part(order))
            alone = np.concatenate([bench.patches(generator, seen.part([index])) for index in range(5)])
        for found, due, what in ((reordered, whole[order], "order"), (alone, whole, "size")):
            self.require(
                found.shape == due.shape and _error(found, due) < SINGLE,
                component,
                f"makes other patches in batches of another {what}; take no statistics over the batch in prediction",
            )

    def test_patterns_make_a_difference(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """Different patterns have different patches."""
        seen = sight(self.pixels[0], batch=2)
        patches = bench.patches(self._stirred(component, bench, seen), seen.inputs)
        self.require(
            _error(patches[:1], patches[1:]) > 1e-6, component, "makes the same patch of every pattern; look at inputs"
        )

    def test_low_precision(self, host: Host, component: ConfiguredComponent, bench: Workbench) -> None:
        """In every precision that the engine offers the patches are complex64 and nearly the same."""
        if not values_of(engine_for(host, component), "precision"):
            pytest.skip("the engine offers no choice of precision")
        self._compare(host, component, bench, "precision", LOW)

    def test_devices(self, host: Host, component: ConfiguredComponent, bench: Workbench) -> None:
        """The patches are the same on every device of this machine."""
        if not values_of(engine_for(host, component), "device"):
            pytest.skip("the engine offers no choice of device")
        self._compare(host, component, bench, "device", SINGLE)

    def try_out(self, host: Host, component: ConfiguredComponent) -> None:
        """Look at one pattern."""
        self._only_patterns(component)
        bench = workbench_for(host, component)
        inputs = sight(self.pixels[0], batch=1).inputs
        patches = bench.patches(component.build(PatchShape(self.pixels[0])), inputs)
        self.require(
            patches.shape == inputs.amplitude.shape and np.isfinite(patches).all(),
            component,
            "makes patches of another shape than the patterns, or not finite",
        )

    # --- how -----------------------------------------------------------------------------------------------------

    def _only_patterns(self, component: ConfiguredComponent) -> None:
        if isinstance(component.component, Generator) and component.component.scope != "pattern":
            pytest.skip("a generator of whole scans is tried out by a run of training")

    def _built(self, component: ConfiguredComponent, bench: Workbench, inputs: GeneratorInputs, seed: int = 0) -> Any:
        """A generator that has been called once, so that all its weights exist."""
        _, channels, pixels, _ = inputs.amplitude.shape
        what = f"on {channels} patterns of {pixels} x {pixels} pixels"
        with self.attempt(component, what), bench.seeded(seed):
            generator = component.build(PatchShape(pixels, channels))
            bench.patches(generator, inputs)
        return generator

    def _patches(self, component: ConfiguredComponent, bench: Workbench, inputs: GeneratorInputs) -> Patches:
        generator = self._built(component, bench, inputs)
        return bench.patches(generator, inputs)

    def _check_patches(self, component: ConfiguredComponent, bench: Workbench, inputs: GeneratorInputs) -> None:
        patches = self._patches(component, bench, inputs)
        shape = inputs.amplitude.shape
        self.require(
            patches.dtype == np.complex64 and patches.shape == shape,
            component,
            f"makes patches {patches.shape} {patches.dtype} where {shape} complex64 are due",
        )
        self.require(np.isfinite(patches).all(), component, "makes patches that are not finite")

    def _descend_a_little(self, bench: Workbench, generator: Any, seen: Sight, fraction: float) -> float:
        """A step that would lower the loss by a fraction if it were linear; returns the loss before."""
        with bench.seeded(0):
            loss, gradients = bench.descend(generator, seen.inputs, seen.probe, 0.0)
        steepness = _energy(gradients)
        if fraction and steepness > 0:
            with bench.seeded(0):
                bench.descend(generator, seen.inputs, seen.probe, fraction * loss / steepness)
        return loss

    def _stirred(self, component: ConfiguredComponent, bench: Workbench, seen: Sight) -> Any:
        """A generator some way into training: what starts at zero has begun to count."""
        generator = self._built(component, bench, seen.inputs)
        with self.attempt(component, "in a few steps of training"):
            for _ in range(STEPS_TO_REACH):
                self._descend_a_little(bench, generator, seen, 0.2)
        return generator

    def _compare(
        self, host: Host, component: ConfiguredComponent, bench: Workbench, option: str, tolerance: float
    ) -> None:
        seen = sight(self.pixels[0])
        generator = self._stirred(component, bench, seen)
        due = bench.patches(generator, seen.inputs)
        for value, other in other_workbenches(host, component, option):
            with self.attempt(component, f"with engine.{option}={value}"):
                patches = other.patches(generator, seen.inputs)
            error = _error(patches, due)
            self.require(
                patches.dtype == np.complex64 and error < tolerance,
                component,
                f"makes {patches.dtype} patches that are off by {error:.2g} of their size with "
                f"engine.{option}={value}; complex64 within {tolerance:g} are due",
            )


def _error(found: Patches, due: Patches) -> float:
    """Root mean square of the difference over that of what is due; infinite when something is not finite."""
    if not np.isfinite(found).all():
        return float("inf")
    return float(np.linalg.norm(found - due) / max(np.linalg.norm(due), np.finfo(np.float32).tiny))


def _energy(gradients: Mapping[str, NDArray[Any] | None]) -> float:
    return sum(
        float(np.sum(np.square(np.abs(gradient), dtype=np.float64)))
        for gradient in gradients.values()
        if gradient is not None
    )


def _finite(gradient: NDArray[Any] | None) -> bool:
    return gradient is None or bool(np.isfinite(gradient).all())


def _same(first: Mapping[str, NDArray[Any]], second: Mapping[str, NDArray[Any]]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)
