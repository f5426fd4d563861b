"""One pass over a scan with a trained generator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_host.contracts import PatchShape
from ptycho_host.data.scan import Scan
from ptycho_host.errors import BundleError, InputError
from ptycho_host.physics.backprojection import back_projection
from ptycho_torch.engine import build


def test_patches_come_in_the_order_of_the_scan(laboratory: Any, scan: Scan) -> None:
    bundle = laboratory.train()
    batches = list(build(device="cpu", prediction_batch=8).predict(bundle, scan))
    assert [len(batch.patches) for batch in batches] == [8] * 6 + [1]
    np.testing.assert_array_equal(np.concatenate([batch.positions for batch in batches]), scan.positions)
    assert all(batch.patches.dtype == np.complex64 for batch in batches)
    assert batches[0].patches.shape == (8, 32, 32)


def test_the_batch_size_changes_nothing(laboratory: Any, scan: Scan) -> None:
    bundle = laboratory.train()
    predicted = [
        np.concatenate([batch.patches for batch in build(device="cpu", prediction_batch=size).predict(bundle, scan)])
        for size in (1, 7, 49)
    ]
    # Convolution kernels for other batch sizes add up in another order.
    np.testing.assert_allclose(predicted[1], predicted[0], atol=1e-5)
    np.testing.assert_allclose(predicted[2], predicted[0], atol=1e-5)


def test_an_untrained_residual_network_gives_the_back_projection(laboratory: Any, scan: Scan) -> None:
    bundle = laboratory.train(epochs=1, learning_rate=1e-30, weight_decay=0)
    patches = np.concatenate([batch.patches for batch in laboratory.engine.predict(bundle, scan)])
    scale = bundle.scale
    expected = back_projection(scale.model_amplitude(scan.batch(slice(None))), scale.model_probe(scan.probe))
    np.testing.assert_allclose(patches, expected, atol=1e-5)


def test_another_dose_gives_the_same_object(laboratory: Any, scan: Scan) -> None:
    bundle = laboratory.train()
    brighter = replace(scan, amplitudes=scan.amplitudes * 5, probe=scan.probe * np.complex64(5))
    first = next(iter(laboratory.engine.predict(bundle, scan))).patches
    np.testing.assert_allclose(next(iter(laboratory.engine.predict(bundle, brighter))).patches, first, atol=1e-4)


def test_prediction_keeps_no_graph_and_leaves_random_numbers_alone(laboratory: Any, scan: Scan) -> None:
    bundle = laboratory.train(epochs=1)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    list(laboratory.engine.predict(bundle, scan))
    assert torch.equal(torch.rand(3), expected)
    assert not torch.is_inference_mode_enabled()


def test_patterns_of_another_size_are_refused(laboratory: Any, scan: Scan) -> None:
    bundle = laboratory.train(epochs=1)
    with pytest.raises(BundleError, match="64 x 64"):
        laboratory.engine.predict(replace(bundle, shape=PatchShape(64)), scan)


def test_weights_that_do_not_fit_are_refused(laboratory: Any, scan: Scan) -> None:
    bundle = laboratory.train(epochs=1)
    with pytest.raises(BundleError, match="do not fit"):
        laboratory.engine.predict(replace(bundle, weights={"other": np.zeros(3)}), scan)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_device_is_the_users_to_know(laboratory: Any) -> None:
    engine = build(device="cuda")
    with pytest.raises(InputError, match="CUDA"):
        type(laboratory)(laboratory.folder, laboratory.scan, engine).train()
