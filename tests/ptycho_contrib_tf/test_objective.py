"""The objective against that of the Torch engine: one loss, one gradient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ptycho_contrib_tf.consistency import GroupMerger
from ptycho_contrib_tf.library import tf
from ptycho_contrib_tf.objective import Objective
from ptycho_contrib_tf.patterns import AMPLITUDE, COORDINATES, TRUTH, PatternFeed
from ptycho_host.config import TrainOptions
from ptycho_host.contracts import ForwardResult, Measurement, WeightedLoss
from ptycho_host.data.scan import Scan
from ptycho_host.physics.intensity import IntensityScale
from ptycho_torch.consistency import GroupMerger as TorchMerger
from ptycho_torch.objective import Objective as TorchObjective
from ptycho_torch.patterns import PatternFeed as TorchFeed

GROUPS = np.array([[0, 1, 7, 8], [10, 11, 17, 18], [24, 25, 31, 32]])
REACH = 6.0
OPTIONS = TrainOptions(group_weight=0.7, pattern_weight=0.2)


def tf_square(prediction: ForwardResult, target: Measurement) -> tf.Tensor:
    return tf.reduce_mean((prediction.counts - target.counts) ** 2) / target.intensity_scale**4


def torch_square(prediction: ForwardResult, target: Measurement) -> torch.Tensor:
    return (prediction.counts - target.counts).square().mean() / target.intensity_scale**4


def tf_supervised(prediction: ForwardResult, target: Measurement) -> tf.Tensor:
    return tf.reduce_mean(tf.abs(prediction.object_patches * prediction.probe - target.object_patches) ** 2)


def torch_supervised(prediction: ForwardResult, target: Measurement) -> torch.Tensor:
    return (prediction.object_patches * prediction.probe - target.object_patches).abs().square().mean()


@pytest.mark.parametrize(("channels", "with_bad_pixels"), [(1, False), (4, False), (1, True)])
def test_value_and_gradient_are_those_of_torch(scan: Scan, channels: int, with_bad_pixels: bool) -> None:
    if with_bad_pixels:
        bad = np.zeros((scan.pixels, scan.pixels), dtype=bool)
        bad[14:18, 14:18] = bad[:, 5] = True
        scan = replace(scan, bad_pixels=bad)
    scale = IntensityScale.of(scan)
    probe = scale.model_probe(scan.probe)
    merger = GroupMerger(probe, scan.positions, REACH)
    feed = PatternFeed(scan, scale, channels, scale.model_object(scan.truth), merger)
    data = {name: tf.constant(array[0]) for name, array in feed.read(GROUPS[None]).items()}
    rng = np.random.default_rng(0)
    shape = data[AMPLITUDE].shape
    patches = (rng.normal(size=(*shape, 2)) @ [1, 1j]).astype(np.complex64)

    losses = [WeightedLoss("square", 1.5, tf_square), WeightedLoss("supervised", 0.5, tf_supervised)]
    leaf = tf.constant(patches)
    with tf.GradientTape() as tape:
        tape.watch(leaf)
        measured = Measurement(data[AMPLITUDE], scale.amplitude, data[TRUTH])
        value = Objective(losses, OPTIONS, merger, scan.bad_pixels).of_groups(
            leaf, measured, tf.constant(probe), data[COORDINATES]
        )

    twin_losses = [WeightedLoss("square", 1.5, torch_square), WeightedLoss("supervised", 0.5, torch_supervised)]
    torch_feed = TorchFeed(scan, scale, torch.device("cpu"))
    twin = TorchObjective(
        twin_losses, torch_feed, OPTIONS, TorchMerger(torch_feed.probe, scan.positions, REACH), supervised=True
    )
    seen = GROUPS.reshape(-1, channels)
    torch_leaf = torch.from_numpy(patches).requires_grad_()
    expected = twin.of_groups(torch_leaf, twin.measurement(torch_feed.amplitude(seen), seen), GROUPS)
    expected.backward()

    # Means over some 1e4 float32 numbers.
    assert float(value) == pytest.approx(expected.item(), rel=1e-5)
    assert torch_leaf.grad is not None
    largest = float(torch_leaf.grad.abs().max())
    np.testing.assert_allclose(tape.gradient(value, leaf) / largest, torch_leaf.grad / largest, atol=2e-5)


def test_without_a_merger_every_pattern_stands_for_itself(scan: Scan) -> None:
    scale = IntensityScale.of(scan)
    feed = PatternFeed(scan, scale)
    data = feed.read(GROUPS[None])
    assert set(data) == {AMPLITUDE}
    objective = Objective([WeightedLoss("square", 1.0, tf_square)], OPTIONS)
    patches = tf.ones((12, 1, 32, 32), tf.complex64)
    measured = Measurement(tf.constant(data[AMPLITUDE][0]), scale.amplitude)
    probe = tf.constant(scale.model_probe(scan.probe))
    assert float(objective.of_groups(patches, measured, probe, None)) == float(
        objective.of_patterns(patches, measured, probe)
    )
