"""One pass over a scan with a trained generator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ptycho_contrib_tf.engine import build
from ptycho_contrib_tf.library import tf
from ptycho_host.contracts import PatchShape
from ptycho_host.data.scan import Scan
from ptycho_host.errors import BundleError, InputError
from ptycho_host.physics.backprojection import back_projection


def test_patches_come_in_the_order_of_the_scan(laboratory: Any, scan: Scan) -> None:
    bundle = laboratory.train(epochs=1)
    batches = list(laboratory.engine.predict(bundle, scan))
    assert [len(batch.patches) for batch in batches] == [8] * 6 + [1]
    np.testing.assert_array_equal(np.concatenate([batch.positions for batch in batches]), scan.positions)
    assert all(batch.patches.dtype == np.complex64 for batch in batches)


@pytest.mark.slow
def test_the_batch_size_changes_nothing(laboratory: Any) -> None:
    bundle = laboratory.train(epochs=1)
    first, second, third = (laboratory.on(prediction_batch=size).patches(bundle) for size in (1, 7, 49))
    # Convolution kernels for other batch sizes add up in another order.
    np.testing.assert_allclose(second, first, atol=1e-5)
    np.testing.assert_allclose(third, first, atol=1e-5)


def test_an_untrained_residual_network_gives_the_back_projection(laboratory: Any, scan: Scan) -> None:
    bundle = laboratory.train(epochs=1, learning_rate=1e-30, weight_decay=0)
    scale = bundle.scale
    expected = back_projection(scale.model_amplitude(scan.batch(slice(None))), scale.model_probe(scan.probe))
    np.testing.assert_allclose(laboratory.patches(bundle), expected, atol=1e-5)


def test_another_dose_gives_the_same_object(laboratory: Any, scan: Scan) -> None:
    bundle = laboratory.train(epochs=1)
    brighter = replace(scan, amplitudes=scan.amplitudes * 5, probe=scan.probe * np.complex64(5))
    np.testing.assert_allclose(laboratory.patches(bundle, brighter), laboratory.patches(bundle), atol=1e-4)


def test_bundles_that_do_not_fit_are_refused(laboratory: Any, scan: Scan) -> None:
    bundle = laboratory.train(epochs=1)
    with pytest.raises(BundleError, match="64 x 64"):
        laboratory.engine.predict(replace(bundle, shape=PatchShape(64)), scan)
    with pytest.raises(BundleError, match="do not fit"):
        laboratory.engine.predict(replace(bundle, weights={"other": np.zeros(3)}), scan)


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="there is a CUDA device")
def test_missing_devices_are_the_users_to_know(laboratory: Any) -> None:
    with pytest.raises(InputError, match="CUDA"):
        laboratory.on(device="cuda").train()
    with pytest.raises(InputError, match=r"engine.devices is 5"):
        laboratory.on(devices=5).train()


def test_options_are_those_of_the_torch_engine_and_more() -> None:
    import inspect

    from ptycho_torch.engine import build as torch_build

    # Several nodes are left to Torch, and a probe is learnt here at the weights' own rate; all else that it knows is
    # known here under the same name.
    only_there = set(inspect.signature(torch_build).parameters) - set(inspect.signature(build).parameters)
    assert only_there == {"nodes", "probe_rate"}
