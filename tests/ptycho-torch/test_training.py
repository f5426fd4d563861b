"""What a training run does, from the outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_host.contracts import ForwardResult, Measurement
from ptycho_host.data.scan import Scan
from ptycho_host.runs.checkpoint import load_checkpoint
from ptycho_torch.engine import build


def mean_absolute(prediction: ForwardResult, target: Measurement) -> torch.Tensor:
    return (prediction.amplitude - target.amplitude).abs().mean()


def test_training_lowers_the_loss_and_beats_the_back_projection(laboratory: Any) -> None:
    """The network starts as the back-projection, so the first validation loss is close to that of the latter."""
    start, trained = laboratory.run(), laboratory.run()
    laboratory.train(start, epochs=1, learning_rate=1e-9)
    laboratory.train(trained, epochs=15)
    before, after = start.reports[0].validation_loss, trained.reports[-1].validation_loss
    assert after < 0.85 * before
    assert trained.reports[-1].training_loss < trained.reports[0].training_loss


def test_history_says_what_happened(laboratory: Any) -> None:
    run = laboratory.run()
    bundle = laboratory.train(run, epochs=3, warmup=0.2)
    assert [report.epoch for report in run.reports] == [1, 2, 3]
    for report in run.reports:
        assert 0 < report.training_loss < 1
        assert 0 < report.learning_rate <= 3e-3
        assert report.gradient_norm > 0
        assert 0 <= report.clipped <= 1
        assert report.patterns_per_second > 0
        assert report.collapsed is False
    assert run.done == run.total == 3 * bundle.facts["training_patterns"]
    assert run.unit == "patterns"
    assert bundle.facts["epochs"] == 3
    assert bundle.facts["final_loss"] == run.reports[-1].training_loss
    assert bundle.facts["parameters"] == sum(array.size for array in bundle.weights.values())
    assert bundle.facts["held_out_patterns"] == 5


def test_the_seed_decides_everything(laboratory: Any) -> None:
    first, again, other = (laboratory.train(seed=seed).weights for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_the_callers_random_numbers_are_left_alone(laboratory: Any) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    laboratory.train(epochs=1)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("options", [{}, {"group_size": 1}, {"optimiser": "sgd", "scheduler": "plateau"}])
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


def test_the_best_epoch_is_kept_beside_the_last(laboratory: Any) -> None:
    laboratory.train()
    assert {path.name for path in laboratory.folder.iterdir()} == {"last.safetensors", "best.safetensors"}


def test_training_stops_when_time_is_up(laboratory: Any) -> None:
    run = laboratory.run()
    bundle = laboratory.train(run, epochs=100_000, time_limit=1.0)
    # One step and the checks after the last epoch may come on top; the machine may be busy.
    assert bundle.facts["seconds"] < 5.0
    # The schedule has come to its end with the time, and so has the bar.
    assert run.reports[-1].learning_rate < 0.2 * 3e-3
    assert (run.done, run.total, run.unit) == (100, 100, "%")


def test_with_a_limit_that_is_never_reached_the_bar_goes_with_the_epochs(laboratory: Any) -> None:
    run = laboratory.run()
    laboratory.train(run, epochs=2, time_limit=3600.0)
    assert (run.done, run.unit) == (100, "%")


def test_with_nothing_but_a_limit_the_bar_counts_seconds(laboratory: Any) -> None:
    run = laboratory.run()
    laboratory.train(run, epochs=None, time_limit=2.0)
    assert (run.total, run.unit) == (2, "s")
    assert run.done >= 2


def test_training_that_stops_improving_ends_with_the_best_weights(laboratory: Any) -> None:
    run = laboratory.run()
    impatient = laboratory.train(run, epochs=60, patience=2, scheduler="constant", learning_rate=0.05)
    losses = [report.validation_loss for report in run.reports]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 2
    again = laboratory.run(resume=False, stop_after=best + 1)
    with pytest.raises(KeyboardInterrupt):
        laboratory.train(again, epochs=60, patience=2, scheduler="constant", learning_rate=0.05)
    arrays, state = load_checkpoint(laboratory.folder / "last.safetensors")
    assert state["epoch"] == impatient.facts["best_epoch"] == best + 1
    for name, array in impatient.weights.items():
        np.testing.assert_array_equal(array, arrays[f"weights.generator.{name}"])


def test_accumulated_batches_make_one_step(laboratory: Any) -> None:
    """Two batches of one group, summed, give the step of one batch of two groups (up to rounding)."""
    plain = {"epochs": 1, "optimiser": "sgd", "scheduler": "constant", "make": laboratory.without_dropout}
    together = laboratory.train(batch_size=8, **plain).weights
    summed = laboratory.train(batch_size=4, accumulate=2, **plain).weights
    for name in together:
        np.testing.assert_allclose(summed[name], together[name], atol=1e-5)


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


def test_supervised_losses_get_true_patches_in_model_units(laboratory: Any) -> None:
    """Behind the model probe the true patches give the measured amplitudes, up to counting noise."""
    differences = []

    def compare(prediction: ForwardResult, target: Measurement) -> torch.Tensor:
        wave = target.object_patches * prediction.probe
        amplitude = torch.fft.fftshift(torch.fft.fft2(wave, norm="ortho"), dim=(-2, -1)).abs()
        differences.append(float((amplitude - target.amplitude).abs().max()) * target.intensity_scale)
        return (prediction.object_patches - target.object_patches).abs().mean()

    laboratory.train(loss=compare, supervised=True, epochs=1)
    # The square root of a Poisson count scatters by 1/2; six times that in some 1e6 pixels.
    assert max(differences) < 3.5


def test_mixed_precision_trains(laboratory: Any) -> None:
    mixed = type(laboratory)(laboratory.folder, laboratory.scan, build(device="cpu", precision="bf16-mixed", threads=1))
    run = mixed.run()
    bundle = mixed.train(run, epochs=6)
    assert run.reports[-1].training_loss < run.reports[0].training_loss
    assert all(array.dtype == np.float32 for array in bundle.weights.values())
