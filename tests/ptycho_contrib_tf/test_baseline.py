"""The generator `baseline`: its number of weights, shapes of every size and group, and that it learns a truth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tensorflow")

from ptycho_contrib_tf.baseline import build
from ptycho_contrib_tf.library import tf
from ptycho_contrib_tf.weights import stable_names
from ptycho_host.contracts import GeneratorInputs, PatchShape


def inputs(pixels: int, channels: int = 1, batch: int = 2) -> GeneratorInputs:
    shape = batch, channels, pixels, pixels
    amplitude = np.random.default_rng(0).exponential(size=shape).astype(np.float32)
    return GeneratorInputs(tf.constant(amplitude), tf.ones(shape, tf.complex64))


@pytest.mark.parametrize("pixels", [64, 128])
def test_the_reference_system_has_as_many_weights(pixels):
    generator = build(PatchShape(pixels))
    generator(inputs=inputs(pixels, batch=1))
    # The reference reports 4.61 M; layer by layer, encoder, two arms and their last layers:
    encoder = sum((9 * a + 1) * b + (9 * b + 1) * b for a, b in [(1, 64), (64, 128), (128, 256)])
    arm = sum((9 * a + 1) * b + (9 * b + 1) * b for a, b in [(256, 256), (256, 128), (128, 64)]) + 9 * 64 + 1
    assert sum(math.prod(weight.shape) for weight in generator.trainable_variables) == encoder + 2 * arm == 4_612_418


@given(pixels=st.integers(8, 40), channels=st.integers(1, 9))
@settings(max_examples=15, deadline=None)
def test_patches_have_the_shape_of_the_patterns_at_every_size(pixels, channels):
    seen = inputs(pixels, channels)
    patches = build(PatchShape(pixels, channels), n_filters_scale=0.25)(inputs=seen)
    assert patches.shape == seen.amplitude.shape
    assert patches.dtype == tf.complex64


def test_the_channels_of_a_group_have_objects_of_their_own():
    patches = build(PatchShape(16, 4), n_filters_scale=0.25)(inputs=inputs(16, 4)).numpy()
    assert len({patch.tobytes() for patch in patches[0]}) == 4


def test_the_untrained_object_is_about_uniform():
    patches = build(PatchShape(32), n_filters_scale=0.25)(inputs=inputs(32)).numpy()
    assert np.median(np.abs(patches)) == pytest.approx(1, abs=0.2)


def test_compiled_it_gives_what_it_gives_eagerly():
    seen = inputs(16, 2)
    generator = build(PatchShape(16, 2), n_filters_scale=0.25)
    eager = generator(inputs=seen)

    @tf.function(jit_compile=True, autograph=False)
    def compiled(amplitude: Any, initial: Any) -> Any:
        return generator(inputs=GeneratorInputs(amplitude, initial), training=True)

    # Sums of a few hundred products in another order.
    np.testing.assert_allclose(compiled(seen.amplitude, seen.initial), eager, rtol=1e-4, atol=1e-5)


def test_names_of_weights_do_not_depend_on_what_was_built_before():
    def names() -> list[str]:
        generator = build(PatchShape(16), n_filters_scale=0.25)
        generator(inputs=inputs(16))
        return stable_names([weight.path for weight in generator.weights])

    first = names()
    assert names() == first
    assert {"encoder.pair3.second.bias", "amplitude.decoder.pair1.first.kernel", "phase.last.bias"} <= set(first)
