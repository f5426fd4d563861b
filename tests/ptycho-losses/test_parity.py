"""Every loss has the same value and the same gradients on PyTorch and on TensorFlow, compiled or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_host.contracts import ForwardResult, Measurement
from ptycho_host.errors import InputError
from ptycho_host.options import OptionSchema
from ptycho_losses.plugin import ptycho_losses

tf = pytest.importorskip("tensorflow")

SHAPE = (2, 3, 8, 8)
DOSES = [10.0**exponent for exponent in range(2, 10)]
# Another order of summation over a few hundred pixels, and a few ulp of 6e-8 or 1e-16 in elementary functions.
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
CHOICES: list[tuple[str, dict[str, Any]]] = [
    ("mae", {}),
    ("mse", {}),
    ("poisson", {}),
    ("poisson", {"include_constant": True, "reduction": "sum", "rate_floor": 1e-3, "per_photon": False}),
    ("tv", {}),
    ("tv", {"differences": "anisotropic"}),
    ("object_mae", {}),
    ("object_mae", {"constant_phase": "group"}),
    ("amplitude_phase", {}),
    ("amplitude_phase", {"phase_weight": 0.3}),
]


@dataclass(frozen=True)
class Case:
    """What a loss is given, in NumPy: predicted and measured amplitudes, patches and truth, probe, scale."""

    amplitude: np.ndarray
    measured: np.ndarray
    patches: np.ndarray
    truth: np.ndarray
    probe: np.ndarray
    scale: float = 30.0

    def arguments(self, array: Callable[[np.ndarray], Any]) -> tuple[ForwardResult, Measurement]:
        prediction = ForwardResult(array(self.amplitude), self.scale, array(self.patches), array(self.probe))
        return prediction, Measurement(array(self.measured), self.scale, array(self.truth))


def registered(backend: str) -> dict[str, Any]:
    return {loss.name: loss for loss in ptycho_losses() if loss.backend == backend}


def factory(name: str, backend: str) -> Any:
    module, _, attribute = registered(backend)[name].target.partition(":")
    return getattr(import_module(module), attribute)


def random_case(dtype: str, seed: int = 0) -> Case:
    rng = np.random.default_rng(seed)
    complex_dtype = np.result_type(dtype, np.complex64)

    def complex_array(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(complex_dtype)

    amplitude, measured = rng.uniform(0.05, 2, (2, *SHAPE)).astype(dtype)
    return Case(amplitude, measured, complex_array(*SHAPE), complex_array(*SHAPE), complex_array(*SHAPE[-2:]))


def counts_case(dose: float, dtype: str) -> Case:
    """Counts of a steep far field at `dose` photons a pattern, zeros among them, and a prediction within 20 %."""
    rng = np.random.default_rng(0)
    pixels = SHAPE[-1]
    radius = np.hypot(*np.meshgrid(*2 * [np.arange(pixels) - pixels / 2]))
    rate = np.tile(np.exp(-radius), (*SHAPE[:2], 1, 1))
    rate *= dose / rate.sum(axis=(-2, -1), keepdims=True)
    rate[..., :2, :2] = 0.05
    counts = rng.poisson(rate)
    assert (counts == 0).any()
    scale = np.sqrt(dose) / pixels
    predicted = np.sqrt(rate) * rng.uniform(0.8, 1.2, rate.shape) / scale
    return replace(
        random_case(dtype),
        amplitude=predicted.astype(dtype),
        measured=(np.sqrt(counts) / scale).astype(dtype),
        scale=float(scale),
    )


def on_torch(loss: Any, case: Case) -> tuple[float, np.ndarray, np.ndarray]:
    prediction, target = case.arguments(torch.tensor)
    prediction.amplitude.requires_grad_()
    prediction.object_patches.requires_grad_()
    value = loss(prediction, target)
    value.backward()
    gradients = [
        np.zeros(SHAPE) if leaf.grad is None else leaf.grad.numpy()
        for leaf in (prediction.amplitude, prediction.object_patches)
    ]
    return value.item(), *gradients


def on_tensorflow(loss: Any, case: Case, *, compiled: bool = False) -> tuple[float, np.ndarray, np.ndarray]:
    prediction, target = case.arguments(tf.constant)

    def step(amplitude: Any, patches: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch([amplitude, patches])
            value = loss(replace(prediction, amplitude=amplitude, object_patches=patches), target)
        return value, tape.gradient(value, [amplitude, patches], unconnected_gradients="zero")

    run = tf.function(step, jit_compile=True, autograph=False) if compiled else step
    value, gradients = run(prediction.amplitude, prediction.object_patches)
    return float(value), *(gradient.numpy() for gradient in gradients)


def assert_equal(mine: Any, theirs: Any, tolerance: float) -> None:
    """Values to `tolerance` of themselves, gradients pixel by pixel to `tolerance` of the largest of their kind."""
    assert mine[0] == pytest.approx(theirs[0], rel=tolerance)
    for found, expected in zip(mine[1:], theirs[1:], strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_both_libraries_have_the_same_losses_with_the_same_options_and_defaults():
    assert list(registered("torch")) == list(registered("tensorflow"))
    for name, loss in registered("torch").items():
        twin = registered("tensorflow")[name]
        assert (twin.summary, twin.supervised) == (loss.summary, loss.supervised)
        described = [OptionSchema(factory(name, backend), name).describe() for backend in ("torch", "tensorflow")]
        assert described[0] == described[1]


def test_every_loss_is_compared_here():
    assert {name for name, _ in CHOICES} == set(registered("tensorflow"))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("name", "options"), CHOICES)
def test_value_and_gradients_are_equal(name, options, dtype):
    case = random_case(dtype)
    mine = on_tensorflow(factory(name, "tensorflow")(**options), case)
    theirs = on_torch(factory(name, "torch")(**options), case)
    assert any(np.abs(gradient).max() > 0 for gradient in theirs[1:])
    assert_equal(mine, theirs, TOLERANCE[dtype])


@pytest.mark.parametrize(("name", "options"), CHOICES)
def test_a_compiled_step_gives_the_same(name, options):
    case = random_case("float32")
    loss = factory(name, "tensorflow")(**options)
    assert_equal(on_tensorflow(loss, case, compiled=True), on_tensorflow(loss, case), TOLERANCE["float32"])


@pytest.mark.parametrize("include_constant", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("dose", DOSES)
def test_poisson_is_equal_at_every_dose(dose, dtype, reduction, include_constant):
    """At each pixel the gradient is the difference of two parts, 2 S^2 A and 2 S^2 A y / (λ + f).

    Rounding of either part shows in full where they nearly cancel, so a pixel's tolerance is relative to their sum.
    """
    case = counts_case(dose, dtype)
    options = {"include_constant": include_constant, "reduction": reduction}
    mine = on_tensorflow(factory("poisson", "tensorflow")(**options), case)
    theirs = on_torch(factory("poisson", "torch")(**options), case)
    assert mine[0] == pytest.approx(theirs[0], rel=TOLERANCE[dtype])
    rate = (case.scale * case.amplitude) ** 2
    parts = 2 * case.amplitude * (1 + (case.scale * case.measured) ** 2 / (rate + 1e-6))
    parts /= case.amplitude.size if reduction == "mean" else 1
    assert (np.abs(mine[1] - theirs[1]) <= TOLERANCE[dtype] * parts).all()
    difference = np.linalg.norm((mine[1] - theirs[1]).ravel()) / np.linalg.norm(theirs[1].ravel())
    assert difference < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("dose", DOSES)
def test_poisson_is_that_of_both_libraries(dose, dtype):
    floor = 1e-6
    prediction, target = counts_case(dose, dtype).arguments(tf.constant)
    mine = factory("poisson", "tensorflow")(rate_floor=floor, per_photon=False)(prediction, target)
    # exp(ln(λ + f)) is λ + f, hence the floor that is taken off; its rounding is that of ln 1e9 = 20 times 1e-7.
    by_tensorflow = tf.nn.log_poisson_loss(target.counts, tf.math.log(prediction.counts + floor))
    assert float(mine) == pytest.approx(float(tf.reduce_mean(by_tensorflow)) - floor, rel=TOLERANCE[dtype])
    expected, counts = (torch.tensor(counts.numpy()) for counts in (prediction.counts, target.counts))
    by_torch = torch.nn.PoissonNLLLoss(log_input=False, full=False, eps=floor)(expected, counts)
    assert float(mine) == pytest.approx(by_torch.item(), rel=TOLERANCE[dtype])


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("include_constant", [False, True])
def test_poisson_of_zeros_in_prediction_and_measurement_is_finite(include_constant, compiled):
    case = replace(random_case("float32"), scale=500.0)
    case.amplitude[:] = 0
    case.measured[0, 0, 0, :3] = 0, 1e-21, 5e3
    loss = factory("poisson", "tensorflow")(include_constant=include_constant)
    value, gradient, _ = on_tensorflow(loss, case, compiled=compiled)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["tv", "object_mae", "amplitude_phase"])
def test_an_empty_prediction_has_a_finite_gradient(name):
    case = random_case("float32")
    case.patches[:] = 0
    case.truth[..., 0, 0] = 0
    mine, theirs = on_tensorflow(factory(name, "tensorflow")(), case), on_torch(factory(name, "torch")(), case)
    assert np.isfinite(mine[2]).all()
    assert_equal(mine, theirs, TOLERANCE["float32"])


@pytest.mark.parametrize("name", ["object_mae", "amplitude_phase"])
def test_without_a_truth_it_names_itself_and_a_remedy(name):
    prediction, target = random_case("float32").arguments(tf.constant)
    with pytest.raises(InputError, match=rf"'{name}'.*simulated.*'mae'"):
        factory(name, "tensorflow")()(prediction, replace(target, object_patches=None))


@pytest.mark.parametrize("name", ["mae", "mse", "poisson", "object_mae", "amplitude_phase"])
def test_a_batch_against_batch_times_channels_is_refused_not_broadcast(name):
    prediction, target = random_case("float32").arguments(tf.constant)
    short = replace(target, amplitude=target.amplitude[:, :1], object_patches=target.object_patches[:, :1])
    with pytest.raises(ValueError, match="differ in shape"):
        factory(name, "tensorflow")()(prediction, short)
