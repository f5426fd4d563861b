"""What a training run on TensorFlow does, from the outside."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ptycho_contrib_tf.library import tf
from ptycho_host.contracts import ForwardResult, Measurement
from ptycho_host.data.scan import Scan
from ptycho_host.errors import BundleError, RunFailedError
from ptycho_host.physics.far_field import diffraction_amplitude


def test_training_lowers_the_loss_and_beats_the_back_projection(laboratory: Any) -> None:
    """The network starts as the back-projection, so the first validation loss is close to that of the latter."""
    start, trained = laboratory.run(), laboratory.run()
    laboratory.train(start, epochs=1, learning_rate=1e-9)
    bundle = laboratory.train(trained, epochs=15)
    before, after = start.reports[0].validation_loss, trained.reports[-1].validation_loss
    assert after < 0.85 * before
    assert trained.reports[-1].training_loss < trained.reports[0].training_loss
    assert [report.epoch for report in trained.reports] == list(range(1, 16))
    assert bundle.facts["final_loss"] == trained.reports[-1].training_loss
    assert bundle.facts["parameters"] == sum(array.size for array in bundle.weights.values())
    assert all(report.gradient_norm > 0 and 0 <= report.clipped <= 1 for report in trained.reports)


def test_the_seed_decides_everything_and_leaves_the_caller_alone(laboratory: Any) -> None:
    random.seed(5)
    expected = random.random()
    random.seed(5)
    first, again, other = (laboratory.train(seed=seed).weights for seed in (1, 1, 2))
    assert random.random() == expected
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"group_size": 1, "optimiser": "adam"}, marks=pytest.mark.slow),
        pytest.param({"optimiser": "sgd", "scheduler": "plateau"}, marks=pytest.mark.slow),
    ],
)
def test_a_stopped_run_goes_on_as_if_nothing_had_happened(laboratory: Any, options: dict[str, Any]) -> None:
    """Bit by bit, on one thread, with dropout drawing random numbers."""
    straight = laboratory.run()
    uninterrupted = laboratory.train(straight, epochs=4, **options)
    for path in laboratory.folder.iterdir():
        path.unlink()

    with pytest.raises(KeyboardInterrupt):
        laboratory.train(laboratory.run(stop_after=2), epochs=4, **options)
    rest = laboratory.run(resume=True)
    resumed = laboratory.train(rest, epochs=4, **options)

    assert [report.epoch for report in rest.reports] == [3, 4]
    assert resumed.weights.keys() == uninterrupted.weights.keys()
    for name, array in uninterrupted.weights.items():
        np.testing.assert_array_equal(resumed.weights[name], array)
    assert rest.reports[-1].training_loss == straight.reports[-1].training_loss


@pytest.mark.slow
def test_accumulated_batches_make_one_step(laboratory: Any) -> None:
    """Two batches of one group, averaged, give the step of one batch of two groups (up to rounding)."""
    plain = {
        "epochs": 1,
        "optimiser": "sgd",
        "scheduler": "constant",
        "make": lambda: laboratory.network(dropout=0.0),
    }
    together = laboratory.train(batch_size=8, **plain).weights
    summed = laboratory.train(batch_size=4, accumulate=2, **plain).weights
    for name in together:
        np.testing.assert_allclose(summed[name], together[name], atol=1e-5)


def test_several_channels(laboratory: Any) -> None:
    """A generator of four channels sees whole groups; its first channel is the pattern's own patch."""
    run = laboratory.run()
    bundle = laboratory.train(run, epochs=3, channels=4, make=lambda: laboratory.network(channels=4))
    assert bundle.shape.channels == 4
    assert run.reports[-1].validation_loss < run.reports[0].validation_loss
    patches = laboratory.patches(bundle)
    assert patches.shape == (49, 32, 32)


@pytest.mark.slow
def test_positions_between_pixels(laboratory: Any, simulated: Callable[..., Scan], scan: Scan) -> None:
    run = laboratory.run()
    laboratory.train(run, scan=simulated(scan.truth, jitter=1.5), epochs=6)
    assert run.reports[-1].training_loss < run.reports[0].training_loss


def test_patterns_that_do_not_overlap_are_trained_one_by_one(
    laboratory: Any, simulated: Callable[..., Scan], scan: Scan
) -> None:
    run = laboratory.run()
    laboratory.train(run, scan=simulated(scan.truth, step=30.0), epochs=1, validation_fraction=0.0)
    assert any("overlap" in note for note in run.notes)
    assert run.reports[0].validation_loss is None


def test_supervised_losses_get_true_patches_in_model_units(laboratory: Any, scan: Scan) -> None:
    """Behind the model probe the true patches give the measured amplitudes, up to counting noise."""
    seen = []

    def compare(prediction: ForwardResult, target: Measurement) -> tf.Tensor:
        tf.numpy_function(
            lambda *arrays: seen.append(arrays), [target.object_patches, target.amplitude, prediction.probe], []
        )
        return tf.reduce_mean(tf.abs(prediction.object_patches - target.object_patches))

    bundle = laboratory.train(loss=compare, supervised=True, epochs=1)
    assert seen
    for patches, amplitude, probe in seen:
        difference = np.abs(diffraction_amplitude(patches, probe) - amplitude).max() * bundle.scale.amplitude
        # The square root of a Poisson count scatters by 1/2; six times that in some 1e6 pixels.
        assert difference < 3.5


@pytest.mark.slow
def test_mixed_precision_trains(laboratory: Any) -> None:
    mixed = laboratory.on(precision="bf16-mixed")
    run = mixed.run()
    bundle = mixed.train(run, epochs=6)
    assert run.reports[-1].training_loss < run.reports[0].training_loss
    assert all(array.dtype == np.float32 for array in bundle.weights.values())
    assert mixed.patches(bundle).dtype == np.complex64


def test_training_recovers_from_a_loss_that_is_not_a_number(laboratory: Any) -> None:
    calls = tf.Variable(0, trainable=False)

    def poisoned(prediction: ForwardResult, target: Measurement) -> tf.Tensor:
        value = tf.reduce_mean(tf.abs(prediction.amplitude - target.amplitude))
        # Each step counts two terms: the sixth lies in the second epoch, which has two steps.
        return value if tf.executing_eagerly() else tf.where(calls.assign_add(1) == 6, float("nan"), value)

    run = laboratory.run()
    bundle = laboratory.train(run, loss=poisoned, epochs=3, scheduler="constant")
    assert [report.learning_rate for report in run.reports] == [3e-3, 1.5e-3, 1.5e-3]
    assert bundle.facts["setbacks"] == 1
    assert "half the learning rate" in run.notes[0]
    assert all(np.isfinite(array).all() for array in bundle.weights.values())


def test_training_gives_up_in_the_end_and_says_why(laboratory: Any) -> None:
    def hopeless(prediction: ForwardResult, target: Measurement) -> tf.Tensor:
        return tf.reduce_mean(prediction.amplitude) * float("nan")

    with pytest.raises(RunFailedError, match=r"epoch 1: .* stopped being numbers.*train.learning_rate"):
        laboratory.train(loss=hopeless)


@pytest.mark.slow
def test_a_constant_network_is_called_collapsed(laboratory: Any) -> None:
    run = laboratory.run()
    bundle = laboratory.train(run, make=laboratory.constant)
    assert [report.collapsed for report in run.reports] == [True, True]
    assert bundle.facts["collapsed"] is True


def test_checkpoints_of_other_runs_are_refused(laboratory: Any) -> None:
    laboratory.train(epochs=1)
    with pytest.raises(BundleError, match="do not fit"):
        laboratory.train(laboratory.run(resume=True), make=laboratory.constant)
    with pytest.raises(BundleError, match="optimiser"):
        laboratory.train(laboratory.run(resume=True), optimiser="sgd")
    with pytest.raises(BundleError, match="seed"):
        laboratory.train(laboratory.run(resume=True), seed=3)


def test_an_error_of_the_data_comes_out_as_it_is(laboratory: Any, scan: Scan) -> None:
    """Patterns are read in the background, where TensorFlow would make its own error of it."""

    class Failing:
        shape = scan.amplitudes.shape
        reads = 0

        def __getitem__(self, index: Any) -> np.ndarray:
            self.reads += 1
            if self.reads > 4:
                raise OSError("the disk is gone")
            return scan.amplitudes[index]

    problem = laboratory.problem(scan, epochs=20)
    broken = replace(problem, scan=replace(scan, amplitudes=Failing()))
    with pytest.raises(OSError, match="the disk is gone"):
        laboratory.engine.train(broken, laboratory.components(), laboratory.run())


def test_a_generator_that_returns_something_else_is_named(laboratory: Any) -> None:
    class Real(type(laboratory.network())):
        def call(self, inputs: Any) -> tf.Tensor:
            return tf.abs(super().call(inputs))

    with pytest.raises(ValueError, match=r"returned float32 \(1, 1, 32, 32\) where complex"):
        laboratory.train(make=Real)
