"""Names of weights that are the same wherever a generator is built."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ptycho_contrib_tf.library import keras
from ptycho_contrib_tf.weights import assign, stable_names
from ptycho_host.errors import BundleError


def paths(model: keras.Model) -> list[str]:
    return [variable.path for variable in model.weights]


def test_names_do_not_depend_on_what_was_built_before(laboratory: Any) -> None:
    first, second = (laboratory.train(epochs=1) for _ in range(2))
    assert list(first.weights) == list(second.weights)
    assert set(first.weights) == {"conv2d.bias", "conv2d.kernel", "last.bias", "last.kernel"}


def test_counters_start_anew_inside_each_parent() -> None:
    found = stable_names(
        [
            "net_3/encoder/conv2d_17/kernel",
            "net_3/encoder/conv2d_17/bias",
            "net_3/encoder/conv2d_18/kernel",
            "net_3/decoder_5/conv2d_19/kernel",
            "net_3/decoder_6/conv2d_20/kernel",
            "net_3/level",
        ]
    )
    assert found == [
        "encoder.conv2d.kernel",
        "encoder.conv2d.bias",
        "encoder.conv2d_1.kernel",
        "decoder.conv2d.kernel",
        "decoder_1.conv2d.kernel",
        "level",
    ]


def test_layers_of_one_name_are_told_apart() -> None:
    assert stable_names(["net/conv/kernel", "net/conv/kernel"]) == ["conv.kernel", "conv.kernel_again"]


def test_a_sequential_model_has_names_too() -> None:
    for _ in range(2):
        model = keras.Sequential([keras.layers.Dense(2), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
        model.build((None, 3))
        assert stable_names(paths(model)) == [
            "dense.kernel",
            "dense.bias",
            "batch_normalization.gamma",
            "batch_normalization.beta",
            "batch_normalization.moving_mean",
            "batch_normalization.moving_variance",
            "dense_1.kernel",
            "dense_1.bias",
        ]


def test_arrays_that_do_not_fit_are_named() -> None:
    variables = {"a": keras.Variable(np.zeros(2)), "b": keras.Variable(np.zeros(3))}
    good = {"a": np.ones(2), "b": np.ones(3)}
    for wrong, what in (
        ({"a": np.ones(2)}, "'b' is missing"),
        ({**good, "c": np.ones(1)}, "'c' is not known"),
        ({**good, "a": np.ones(3)}, "'a' has another shape"),
    ):
        with pytest.raises(BundleError, match=what):
            assign(variables, wrong)
    assign(variables, good)
    np.testing.assert_array_equal(variables["b"], 1)
