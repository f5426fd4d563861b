"""Importing and building touch nothing: no device, no variable, no setting of the process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ptycho_contrib_tf.isolation import own_precision, own_randomness, reseed, use_threads
from ptycho_contrib_tf.library import keras, tf


def in_a_fresh_process(program: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_and_build_touch_no_device_and_make_no_variable() -> None:
    """Devices that have been started no longer let themselves be configured."""
    in_a_fresh_process(
        """
        import gc
        import ptycho_contrib_tf.engine as engine
        import ptycho_contrib_tf.plugin
        built = engine.build(device="cpu", threads=2, trainable_probe=True, xla=True)
        from ptycho_contrib_tf.library import keras, tf
        variables = [found for found in gc.get_objects() if isinstance(found, (tf.Variable, keras.Variable))]
        assert not variables, variables
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        tf.config.threading.set_intra_op_parallelism_threads(3)
        """
    )


def test_another_back_end_of_keras_in_the_environment_does_no_harm() -> None:
    """Keras chooses once, from the environment or the user's own settings; ours must not depend on them."""
    out = in_a_fresh_process(
        """
        import os
        import ptycho_contrib_tf.library
        print(ptycho_contrib_tf.library.keras.backend.backend(), os.environ["KERAS_BACKEND"])
        """,
        KERAS_BACKEND="torch",
    )
    assert out.split() == ["tensorflow", "torch"]


@pytest.mark.slow
def test_keras_that_was_loaded_on_another_back_end_is_named() -> None:
    out = in_a_fresh_process(
        """
        import keras
        try:
            import ptycho_contrib_tf.library
        except ImportError as error:
            print(error)
        """,
        KERAS_BACKEND="torch",
    )
    assert "KERAS_BACKEND=tensorflow" in out


def test_without_tensorflow_everything_else_works_and_says_how_to_get_it() -> None:
    out = in_a_fresh_process(
        """
        import sys
        sys.modules["tensorflow"] = None
        from ptycho_host import Host
        from ptycho_host.errors import BrokenComponentError
        host = Host.discover()
        assert not host.problems, host.problems
        try:
            host.find("engine", "keras").load()
        except BrokenComponentError as error:
            print(error)
        """
    )
    assert "TensorFlow is not installed" in out
    assert "ptycho-contrib-tf[cpu]" in out


def test_threads_that_come_too_late_are_told() -> None:
    tf.zeros(())
    assert use_threads(None) is None
    assert "engine.threads=7" in str(use_threads(7))


def test_randomness_and_precision_are_put_back() -> None:
    before = keras.config.dtype_policy().name
    with own_precision("bf16-mixed"), own_randomness(3):
        layer = keras.layers.Dense(2)
        layer.build((1, 2))
    assert layer.compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == before
    with own_randomness(3):
        again = keras.layers.Dense(2)
        again.build((1, 2))
    assert tf.reduce_all(layer.kernel.value == again.kernel.value)


def test_reseeding_decides_what_dropout_drops() -> None:
    model = keras.Sequential([keras.layers.Dropout(0.5), keras.layers.Dropout(0.5)])
    ones = tf.ones((1, 100))
    drawn = []
    for seed in (1, 1, 2):
        reseed(model, seed)
        drawn.append(model(ones, training=True).numpy().tolist())
    assert drawn[0] == drawn[1] != drawn[2]
    # The two layers do not drop the same.
    reseed(model, 1)
    first = model.layers[0](ones, training=True).numpy() > 0
    second = model.layers[1](ones, training=True).numpy() > 0
    assert (first != second).any()


@pytest.mark.slow
def test_two_devices_do_what_one_does_with_the_same_batch() -> None:
    """Two logical devices share each step; without dropout the step is that of one device with twice the batch."""
    out = in_a_fresh_process(
        """
        import sys, tempfile
        from pathlib import Path
        import numpy as np
        sys.path.insert(0, TESTS)
        import conftest
        from ptycho_contrib_tf.library import tf
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        scan = conftest.simulate(conftest.structured_object())
        weights = []
        for devices, batch in ((1, 16), (2, 8)):
            laboratory = conftest.Laboratory(Path(tempfile.mkdtemp()), scan).on(devices=devices)
            bundle = laboratory.train(
                epochs=2, batch_size=batch, make=lambda: conftest.Network(dropout=0.0), optimiser="sgd"
            )
            weights.append(bundle.weights)
        one, two = weights
        assert one.keys() == two.keys()
        for name in one:
            # Sums are added up in another order.
            np.testing.assert_allclose(two[name], one[name], atol=1e-5)
        print("equal")
        """.replace("TESTS", repr(str(Path(__file__).parent))),
    )
    assert out.split()[-1] == "equal"
