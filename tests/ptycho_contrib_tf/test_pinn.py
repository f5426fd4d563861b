"""The generator `pinn`: the reference system's numbers of weights, shapes of every size, what it starts from."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tensorflow")

from ptycho_contrib_tf.library import keras, tf
from ptycho_contrib_tf.pinn import build
from ptycho_contrib_tf.stages import doubled, halvings, margins
from ptycho_contrib_tf.weights import stable_names
from ptycho_host.contracts import GeneratorInputs, PatchShape
from ptycho_host.errors import OptionError
from ptycho_host.options import OptionSchema

SMALL = {"n_filters_scale": 0.25}
KINDS: list[dict[str, Any]] = [{}, {"probe_big": False}, {"pad_object": False}, {"lift": "backprojection"}]


def inputs(pixels: int, channels: int = 1, batch: int = 2, seed: int = 0) -> GeneratorInputs:
    rng = np.random.default_rng(seed)
    shape = batch, channels, pixels, pixels
    amplitude = rng.exponential(size=shape).astype(np.float32)
    initial = (1 + 0.2 * (rng.normal(size=shape) + 1j * rng.normal(size=shape))).astype(np.complex64)
    return GeneratorInputs(tf.constant(amplitude), tf.constant(initial))


def network(shape: PatchShape, **options: Any) -> keras.Model:
    """The reference system's network, unless a lift is asked for; the same weights every time."""
    # A small network may be born with nothing but dead ReLUs in a layer.
    keras.utils.set_random_seed(3)
    return build(shape, **{"lift": "none", **options})


def called(pixels: int, channels: int = 1, **options: Any) -> keras.Model:
    generator = network(PatchShape(pixels, channels), **options)
    generator(inputs=inputs(pixels, channels, batch=1))
    return generator


def count(generator: keras.Model) -> int:
    return sum(math.prod(weight.shape) for weight in generator.trainable_variables)


@pytest.mark.parametrize(("pixels", "expected"), [(64, 2_331_772), (128, 4_661_212)])
def test_the_reference_system_has_as_many_weights(pixels, expected):
    assert count(called(pixels)) == expected


def test_the_border_costs_what_its_layers_hold():
    # 4 -> 64 -> 64 -> 1 filters at N = 64 and scale 2, for each of the two arms.
    border = (9 * 4 + 1) * 64 + (9 * 64 + 1) * 64 + (9 * 64 + 1)
    assert count(called(64)) - count(called(64, probe_big=False)) == 2 * border


@given(pixels=st.integers(8, 40), channels=st.integers(1, 4), kind=st.sampled_from(KINDS))
@settings(max_examples=20, deadline=None)
def test_patches_have_the_shape_of_the_patterns_at_every_size(pixels, channels, kind):
    seen = inputs(pixels, channels)
    patches = network(PatchShape(pixels, channels), **SMALL, **kind)(inputs=seen)
    assert patches.shape == seen.amplitude.shape
    assert patches.dtype == tf.complex64


@pytest.mark.parametrize("pixels", [64, 65, 66, 67, 100, 128])
@pytest.mark.parametrize("kind", KINDS)
def test_no_size_in_use_gains_or_loses_a_pixel(pixels, kind):
    seen = inputs(pixels, 4, batch=1)
    assert network(PatchShape(pixels, 4), **SMALL, **kind)(inputs=seen).shape == seen.amplitude.shape


@given(pixels=st.integers(1, 600), times=st.integers(1, 6))
def test_padding_is_even_by_construction(pixels, times):
    """What is halved and doubled again has its old size, and the middle half keeps the centre where it was."""
    sizes = halvings(pixels, times)
    for fine, coarse in pairwise(sizes):
        assert fine in (2 * coarse, 2 * coarse - 1)
        before, behind = margins(coarse, fine)
        assert before + coarse + behind == fine
        assert before >= 0
        assert 0 <= behind - before + 1 <= 2
        assert before + coarse // 2 == fine // 2


def test_doubling_repeats_every_pixel():
    images = np.random.default_rng(0).normal(size=(2, 3, 3, 5)).astype(np.float32)
    expected = images.repeat(2, axis=1).repeat(2, axis=2)
    assert np.array_equal(doubled(tf.constant(images), 6), expected)
    assert np.array_equal(doubled(tf.constant(images), 5), expected[:, :5, :5])


def test_the_object_is_zero_outside_the_middle_unless_there_is_a_border():
    seen = inputs(32)
    outside = np.ones((32, 32), bool)
    outside[8:24, 8:24] = False
    padded = network(PatchShape(32), **SMALL, probe_big=False)(inputs=seen).numpy()
    assert (padded[..., outside] == 0).all()
    assert (padded[..., ~outside] != 0).all()
    bordered = network(PatchShape(32), **SMALL)(inputs=seen).numpy()
    assert (bordered[..., outside] != 0).mean() > 0.9


@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_the_gain_bounds_the_amplitude_and_the_untrained_network_is_half_of_it(gain):
    generator = network(PatchShape(32), **SMALL, probe_big=False, amplitude_gain=gain)
    seen = inputs(32)
    generator(inputs=seen)
    loud = {weight.path: 30 * weight for weight in generator.weights}
    middle = np.abs(generator(inputs=seen))[..., 8:24, 8:24]
    assert np.median(middle) == pytest.approx(gain / 2, rel=0.2)
    for weight in generator.weights:
        weight.assign(loud[weight.path])
    middle = np.abs(generator(inputs=seen))[..., 8:24, 8:24]
    assert middle.max() <= gain * (1 + 1e-6)
    assert middle.max() > 0.9 * gain


@pytest.mark.parametrize("activation", ["sigmoid", "swish", "softplus", "relu"])
def test_the_amplitude_is_that_of_its_activation(activation):
    generator = network(PatchShape(16), **SMALL, pad_object=False, amplitude_activation=activation, amplitude_gain=3.0)
    seen = inputs(16)
    generator(inputs=seen)
    last = generator.amplitude.ending.last
    last.kernel.assign(tf.zeros_like(last.kernel))
    last.bias.assign([0.7])
    expected = {"sigmoid": 1 / (1 + math.exp(-0.7)), "softplus": math.log(1 + math.exp(0.7)), "relu": 0.7}
    expected["swish"] = 0.7 * expected["sigmoid"]
    # The modulus of a cos, a sin in float32.
    np.testing.assert_allclose(np.abs(generator(inputs=seen)), 3 * expected[activation], rtol=1e-6)


def test_a_phase_stays_within_a_turn_and_reaches_all_of_it():
    generator = network(PatchShape(16), **SMALL, pad_object=False)
    seen = inputs(16)
    generator(inputs=seen)
    last = generator.phase.ending.last
    last.kernel.assign(tf.zeros_like(last.kernel))
    for bias, phase in [(0.0, 0.0), (0.5, math.pi * math.tanh(0.5)), (-50.0, -math.pi)]:
        last.bias.assign([bias])
        np.testing.assert_allclose(
            generator.phase(generator.encoder(seen.amplitude[:, 0, :, :, None]), pixels=16), phase
        )


@pytest.mark.parametrize("kind", [{}, {"probe_big": False}, {"pad_object": False}])
@pytest.mark.parametrize("channels", [1, 4])
def test_a_lifted_network_starts_as_the_back_projection_and_learns(channels, kind):
    seen = inputs(16, channels)
    generator = network(PatchShape(16, channels), **SMALL, **kind, lift="backprojection")
    assert np.array_equal(generator(inputs=seen), seen.initial)
    target = tf.constant(inputs(16, channels, seed=1).initial)

    def step() -> tuple[float, list[Any]]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.abs(generator(inputs=seen) - target) ** 2)
        gradients = tape.gradient(loss, generator.trainable_variables)
        for variable, gradient in zip(generator.trainable_variables, gradients, strict=True):
            variable.assign_sub(0.05 * gradient)
        return float(loss), gradients

    first, _ = step()
    second, gradients = step()
    assert second < first
    assert all(gradient is not None and np.any(gradient) for gradient in gradients)


def test_a_lifted_network_sees_the_back_projection():
    seen = inputs(16)
    generator = network(PatchShape(16), **SMALL, lift="backprojection")
    generator(inputs=seen)
    other = inputs(16, seed=1)
    features = [
        generator.encoder(tf.concat([tf.transpose(part, (0, 2, 3, 1)) for part in parts], axis=-1))
        for parts in (
            (seen.amplitude, tf.math.real(seen.initial), tf.math.imag(seen.initial)),
            (seen.amplitude, tf.math.real(other.initial), tf.math.imag(other.initial)),
        )
    ]
    assert not np.array_equal(*features)


@pytest.mark.parametrize("transform", ["none", "sqrt", "log1p"])
@pytest.mark.parametrize("lift", ["none", "backprojection"])
def test_compiled_and_traced_it_gives_what_it_gives_eagerly(transform, lift):
    seen = inputs(16, 2)
    generator = network(PatchShape(16, 2), **SMALL, input_transform=transform, lift=lift)
    eager = generator(inputs=seen)

    @tf.function(jit_compile=True, autograph=False)
    def compiled(amplitude: Any, initial: Any) -> Any:
        return generator(inputs=GeneratorInputs(amplitude, initial), training=True)

    # Sums of a few hundred products in another order.
    np.testing.assert_allclose(compiled(seen.amplitude, seen.initial), eager, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("transform", ["none", "sqrt", "log1p"])
def test_a_pattern_does_not_change_its_neighbours_in_the_batch(transform):
    seen = inputs(16, batch=3)
    generator = network(PatchShape(16), **SMALL, input_transform=transform)
    together = generator(inputs=seen)
    alone = generator(inputs=GeneratorInputs(seen.amplitude[1:2], seen.initial[1:2]))
    np.testing.assert_allclose(together[1:2], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lift", ["none", "backprojection"])
def test_names_of_weights_do_not_depend_on_what_was_built_before(lift):
    first, second = (stable_names([weight.path for weight in called(16, lift=lift).weights]) for _ in range(2))
    assert first == second
    assert len(set(first)) == len(first)
    assert "encoder.pair1.first.kernel" in first
    half = "amplitude" if lift == "none" else "real"
    assert {f"{half}.ending.middle.kernel", f"{half}.ending.border_pair.second.bias"} <= set(first)


def test_two_sizes_live_side_by_side():
    small, large = called(16, 1, **SMALL), called(32, 4, **SMALL)
    assert small(inputs=inputs(16)).shape == (2, 1, 16, 16)
    assert large(inputs=inputs(32, 4)).shape == (2, 4, 32, 32)


def test_in_half_precision_the_last_layers_are_exact():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        generator = called(16, **SMALL)
    finally:
        keras.config.set_dtype_policy(before)
    assert generator.encoder.pairs[0].first.compute_dtype == "bfloat16"
    assert generator.phase.ending.middle.compute_dtype == "float32"
    assert generator(inputs=inputs(16)).dtype == tf.complex64


def test_patterns_that_are_too_small_are_refused_in_one_sentence():
    with pytest.raises(OptionError, match="'pinn' needs patterns of 8 x 8 pixels or more, not 4 x 4"):
        network(PatchShape(4))


def test_every_option_is_described():
    described = OptionSchema(build, "generator 'pinn'").describe()
    assert {option.name for option in described} == {
        "n_filters_scale", "pad_object", "probe_big", "amplitude_activation", "amplitude_gain", "input_transform",
        "lift",
    }  # fmt: skip
    assert all(option.description for option in described)
