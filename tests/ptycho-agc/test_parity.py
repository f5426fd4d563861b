"""Every clipper leaves the same gradients and the same report on PyTorch and on TensorFlow, compiled or not."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_agc.plugin import ptycho_clippers
from ptycho_host.contracts import ClipReport
from ptycho_host.options import OptionSchema

tf = pytest.importorskip("tensorflow")

# A few roundings of norms; sums of squares are taken in another order.
TOLERANCE = {"float32": 1e-5, "float64": 1e-12, "complex64": 1e-5}
CHOICES: list[tuple[str, dict[str, Any]]] = [
    ("agc", {}),
    ("agc", {"unit": "tensor", "clipping": 0.3, "eps": 0.05}),
    ("norm", {}),
    ("norm", {"max_norm": 1e6}),
    ("value", {}),
    ("value", {"max_value": 0.01}),
    ("none", {}),
]
SHAPES = {
    "convolution": (6, 3, 3, 3),
    "transposed convolution": (4, 5, 2, 2),
    "dense": (7, 4),
    "bias": (6,),
    "zero scale": (5,),
    "scalar": (),
    "unused": (2, 2),
}
"""Shapes of one network's weights as PyTorch stores them."""


@dataclass
class Parameter:
    """A weight and its gradient, as engines hand them to clippers."""

    data: Any
    grad: Any


def factory(name: str, backend: str) -> Any:
    (clipper,) = (clipper for clipper in ptycho_clippers() if (clipper.name, clipper.backend) == (name, backend))
    module, _, attribute = clipper.target.partition(":")
    return getattr(import_module(module), attribute)


def keras_layout(array: np.ndarray) -> np.ndarray:
    """A weight as Keras stores it: (out, in, H, W) -> (H, W, in, out), (out, in) -> (in, out).

    The same permutation brings a transposed convolution from (in, out, H, W) to (H, W, out, in).
    """
    return array.transpose({4: (2, 3, 1, 0), 2: (1, 0)}.get(array.ndim, range(array.ndim)))


def network(dtype: str) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Weights of very different size with gradients of very different size, in PyTorch's layout."""
    rng = np.random.default_rng(0)

    def normal(shape: tuple[int, ...]) -> np.ndarray:
        imaginary = 1j * rng.normal(size=shape) if dtype == "complex64" else 0
        return (rng.normal(size=shape) + imaginary).astype(dtype)

    made: list[tuple[np.ndarray, np.ndarray | None]] = []
    for index, (name, shape) in enumerate(SHAPES.items()):
        sizes = np.asarray(10 ** rng.uniform(-3, 0, (*shape[:1], *[1] * (len(shape) - 1))))
        weight, gradient = normal(shape) * sizes, normal(shape) * 10.0 ** (1 - 4 * (index % 2)) * np.flip(sizes)
        if name == "zero scale":
            weight = np.zeros(shape)
        made.append((weight.astype(dtype), None if name == "unused" else np.asarray(gradient, dtype)))
    return made


def on_torch(clip: Any, pairs: list[tuple[np.ndarray, np.ndarray | None]]) -> tuple[list[Any], ClipReport]:
    parameters = [torch.nn.Parameter(torch.tensor(weight)) for weight, _ in pairs]
    for parameter, (_, gradient) in zip(parameters, pairs, strict=True):
        parameter.grad = None if gradient is None else torch.tensor(gradient)
    report = clip(iter(parameters))
    return [None if parameter.grad is None else parameter.grad.numpy() for parameter in parameters], report


def on_tensorflow(
    clip: Any, pairs: list[tuple[np.ndarray, np.ndarray | None]], *, compiled: bool = False
) -> tuple[list[Any], ClipReport]:
    weights = [tf.Variable(keras_layout(weight)) for weight, _ in pairs]
    used = [gradient is not None for _, gradient in pairs]

    def step(gradients: list[Any]) -> tuple[list[Any], Any, Any]:
        left = iter(gradients)
        parameters = [
            Parameter(weight, next(left) if has_one else None) for weight, has_one in zip(weights, used, strict=True)
        ]
        report = clip(iter(parameters))
        return [parameter.grad for parameter in parameters if parameter.grad is not None], report.norm, report.clipped

    run = tf.function(step, jit_compile=True, autograph=False) if compiled else step
    clipped, norm, fraction = run(
        [tf.constant(keras_layout(gradient)) for _, gradient in pairs if gradient is not None]
    )
    left = iter(clipped)
    return [next(left).numpy() if has_one else None for has_one in used], ClipReport(norm, fraction)


def assert_equal(mine: Any, theirs: Any, tolerance: float) -> None:
    for found, expected in zip(mine[0], theirs[0], strict=True):
        assert (found is None) == (expected is None)
        if expected is not None:
            np.testing.assert_allclose(found, keras_layout(expected), rtol=tolerance)
    assert float(mine[1].norm) == pytest.approx(theirs[1].norm, rel=tolerance)
    assert float(mine[1].clipped) == pytest.approx(theirs[1].clipped, rel=1e-6)


def test_both_libraries_have_the_same_clippers_with_the_same_options_and_defaults():
    by_backend = {
        backend: {clipper.name: clipper.summary for clipper in ptycho_clippers() if clipper.backend == backend}
        for backend in ("torch", "tensorflow")
    }
    assert by_backend["torch"] == by_backend["tensorflow"]
    for name in by_backend["torch"]:
        described = [OptionSchema(factory(name, backend), name).describe() for backend in by_backend]
        assert described[0] == described[1]


def test_every_clipper_is_compared_here():
    assert {name for name, _ in CHOICES} == {clipper.name for clipper in ptycho_clippers()}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("name", "options"), CHOICES)
def test_the_same_network_is_clipped_alike(name, options, dtype):
    pairs = network(dtype)
    mine = on_tensorflow(factory(name, "tensorflow")(**options), pairs)
    theirs = on_torch(factory(name, "torch")(**options), pairs)
    if name in ("agc", "value"):
        assert 0 < theirs[1].clipped < 1
    assert_equal(mine, theirs, TOLERANCE[dtype])
    assert isinstance(mine[1].norm, float)


@pytest.mark.parametrize(("name", "options"), CHOICES)
def test_traced_into_a_compiled_step_it_does_the_same(name, options):
    pairs = network("float32")
    clip = factory(name, "tensorflow")(**options)
    compiled = on_tensorflow(clip, pairs, compiled=True)
    assert isinstance(compiled[1].norm, tf.Tensor)
    assert compiled[1].norm.shape == compiled[1].clipped.shape == ()
    assert_equal(compiled, on_torch(factory(name, "torch")(**options), pairs), TOLERANCE["float32"])


@pytest.mark.parametrize("name", ["agc", "norm", "none"])
def test_gradients_within_bounds_are_untouched_to_the_bit(name):
    pairs = [(weight, np.full_like(weight, 1e-7)) for weight, _ in network("float32")]
    gradients, report = on_tensorflow(factory(name, "tensorflow")(), pairs)
    assert report.clipped == 0
    for gradient in gradients:
        assert (gradient == np.float32(1e-7)).all()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["agc", "norm", "value", "none"])
def test_numbers_that_are_not_finite_show_in_the_report(name, bad, compiled):
    pairs = network("float32")
    gradient = pairs[0][1]
    assert gradient is not None
    gradient[0, 0, 0, 0] = bad
    _, report = on_tensorflow(factory(name, "tensorflow")(), pairs, compiled=compiled)
    assert float(report.norm) == pytest.approx(bad, nan_ok=True)


@pytest.mark.parametrize("name", ["agc", "norm", "value", "none"])
def test_without_gradients_the_norm_is_zero(name):
    assert factory(name, "tensorflow")()([Parameter(tf.ones(3), None)]) == ClipReport(norm=0.0, clipped=0.0)


def test_half_precision_norms_do_not_overflow():
    weight = Parameter(tf.fill((64, 2), tf.constant(10, tf.float16)), tf.fill((64, 2), tf.constant(300, tf.float16)))
    report = factory("agc", "tensorflow")(clipping=0.1)([weight])  # squares of 300 are beyond 65504
    assert report.norm == pytest.approx(300 * 128**0.5, rel=1e-5)
    np.testing.assert_allclose(weight.grad, np.ones((64, 2)), rtol=1e-3)  # float16's own precision
