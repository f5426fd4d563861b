"""Single Torch components with NumPy arrays: values and gradients against NumPy, memory, randomness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ptycho_host.contracts import ClipReport, ForwardResult, GeneratorInputs, Measurement
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_torch.engine import build
from ptycho_torch.workbench import TorchWorkbench

rng = np.random.default_rng(0)
AMPLITUDE = rng.uniform(0.5, 1, (2, 1, 8, 8))
PATCHES = rng.normal(size=(2, 1, 8, 8)) + 1j * rng.normal(size=(2, 1, 8, 8))
PROBE = rng.normal(size=(8, 8)) + 1j * rng.normal(size=(8, 8))
INPUTS = GeneratorInputs(AMPLITUDE.astype(np.float32), PATCHES.astype(np.complex64))


class Turned(nn.Module):
    """The initial patches times a complex number, with dropout in training, and a frozen parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(0.5 + 0.25j))
        self.frozen = nn.Parameter(torch.ones(()), requires_grad=False)
        self.unused = nn.Parameter(torch.ones(2))
        self.dropout = nn.Dropout(0.5)

    def forward(self, inputs: GeneratorInputs) -> Tensor:
        return inputs.initial * self.factor * self.dropout(torch.ones_like(inputs.amplitude))


@pytest.fixture
def bench() -> TorchWorkbench:
    return build(device="cpu").workbench()


def test_patches_are_those_of_prediction(bench: TorchWorkbench) -> None:
    patches = bench.patches(Turned(), INPUTS)
    assert patches.dtype == np.complex64
    assert np.array_equal(patches, INPUTS.initial * np.complex64(0.5 + 0.25j))


def test_weights_are_copies_of_what_is_trained(bench: TorchWorkbench) -> None:
    generator = Turned()
    weights = bench.weights(generator)
    assert weights.keys() == {"factor", "unused"}
    weights["unused"][:] = 7
    assert generator.unused.tolist() == [1, 1]


def test_descend_steps_against_the_gradient(bench: TorchWorkbench) -> None:
    """d/df of mean (|F(P f O)| - A)^2 is 2 sum (|f| a - A) a f/|f| over their number, a = |F(P O)|."""
    generator = Turned()
    generator.dropout.p = 0.0
    unit = diffraction_amplitude(PATCHES, PROBE)
    factor = 0.5 + 0.25j
    difference = abs(factor) * unit - AMPLITUDE
    due = np.mean(2 * difference * unit) * factor / abs(factor)
    loss, gradients = bench.descend(generator, INPUTS, PROBE.astype(np.complex64), 0.01)
    # Single precision.
    assert loss == pytest.approx(np.mean(difference**2), rel=1e-5)
    assert gradients["factor"] == pytest.approx(due, rel=1e-4)
    assert gradients["unused"] is None
    assert generator.factor.item() == pytest.approx(factor - 0.01 * due, rel=1e-5)


def test_descend_is_as_in_training(bench: TorchWorkbench) -> None:
    generator = Turned()
    with bench.seeded(1):
        first = bench.descend(generator, INPUTS, PROBE.astype(np.complex64), 0.0)[0]
    with bench.seeded(2):
        other = bench.descend(generator, INPUTS, PROBE.astype(np.complex64), 0.0)[0]
    assert first != other, "dropout does not act"


def test_seeded_blocks_repeat_and_leave_no_trace(bench: TorchWorkbench) -> None:
    torch.manual_seed(3)
    due = torch.rand(2).tolist()
    torch.manual_seed(3)
    drawn = []
    for _ in range(2):
        with bench.seeded(5):
            drawn.append(torch.rand(3).tolist())
    assert drawn[0] == drawn[1]
    assert torch.rand(2).tolist() == due


def test_loss_is_reckoned_in_the_precision_of_the_arguments(bench: TorchWorkbench) -> None:
    """L = mean a^2 + sum |O|^2 / 7: dL/da = 2 a / n, and 2 O / 7 uphill in the patches."""

    def loss(prediction: ForwardResult, target: Measurement) -> Tensor:
        return prediction.amplitude.square().mean() + prediction.object_patches.abs().square().sum() / 7

    value, in_amplitude, in_patches = bench.loss(
        loss, ForwardResult(AMPLITUDE, 1.0, PATCHES, PROBE), Measurement(AMPLITUDE, 1.0)
    )
    assert value == pytest.approx(np.mean(AMPLITUDE**2) + np.sum(np.abs(PATCHES) ** 2) / 7, rel=1e-14)
    np.testing.assert_allclose(in_amplitude, 2 * AMPLITUDE / AMPLITUDE.size, rtol=1e-14)
    np.testing.assert_allclose(in_patches, 2 * PATCHES / 7, rtol=1e-14)


def test_gradients_of_what_is_not_used_are_zero(bench: TorchWorkbench) -> None:
    prediction = ForwardResult(AMPLITUDE, 1.0, PATCHES, PROBE)
    for loss in (lambda p, _: p.amplitude.mean(), lambda _, t: t.amplitude.mean()):
        _, in_amplitude, in_patches = bench.loss(loss, prediction, Measurement(AMPLITUDE, 1.0))
        assert in_patches.shape == PATCHES.shape
        assert not in_patches.any()
    assert not in_amplitude.any()


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (lambda p, t: p.amplitude, r"one real number, not torch.float64 of shape \(2, 1, 8, 8\)"),
        (lambda p, t: p.object_patches.mean(), r"one real number, not torch.complex128 of shape \(\)"),
        (lambda p, t: 3.0, r"one real number, not float"),
    ],
)
def test_a_loss_is_one_real_number(bench: TorchWorkbench, loss: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match=sentence):
        bench.loss(loss, ForwardResult(AMPLITUDE, 1.0, PATCHES, PROBE), Measurement(AMPLITUDE, 1.0))


def test_a_clipper_sees_weights_and_gradients_once(bench: TorchWorkbench) -> None:
    weights = [np.array([3.0, 4.0]), np.ones(2)]
    gradients: list[Any] = [np.array([1.0, 2.0]), None]

    def clip(parameters: Any) -> ClipReport:
        kept = list(parameters)
        assert [parameter.data.tolist() for parameter in kept] == [[3, 4], [1, 1]]
        assert kept[1].grad is None
        assert list(parameters) == []
        kept[0].grad /= 2
        kept[1].data += 1
        return ClipReport(torch.tensor(5.0), torch.tensor(0.5))  # type: ignore[arg-type]

    left, report = bench.clip(clip, weights, gradients)
    assert left[0] is not None
    assert left[0].tolist() == [0.5, 1.0]
    assert left[1] is None
    assert gradients[0].tolist() == [1, 2]
    assert report == ClipReport(5.0, 0.5)
    assert weights[1].tolist() == [2, 2], "what a clipper does to the weights must show"


def test_mixed_precision_is_the_engines() -> None:
    class Precision(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(1, 1, 1)

        def forward(self, inputs: GeneratorInputs) -> Tensor:
            self.seen = self.layer(inputs.amplitude).dtype
            return inputs.initial

    for precision, due in (("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)):
        generator = Precision()
        build(device="cpu", precision=precision).workbench().patches(generator, INPUTS)
        assert generator.seen == due
