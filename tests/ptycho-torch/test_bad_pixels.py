"""Bad pixels pull on nothing, whatever the loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ptycho_host import Host
from ptycho_host.config import TrainOptions
from ptycho_host.configured import configure
from ptycho_host.contracts import WeightedLoss
from ptycho_host.physics.bad_pixels import filled
from ptycho_host.physics.intensity import IntensityScale
from ptycho_torch.objective import Objective
from ptycho_torch.patterns import PatternFeed

HOST = Host.discover()
LOSSES = [
    entry.component.name
    for entry in HOST.registrations("loss")
    if entry.component.backend == "torch" and not entry.component.supervised
]


def value_and_gradient(scan, name, patches):
    scale = IntensityScale.of(scan)
    feed = PatternFeed(scan, scale, torch.device("cpu"))
    objective = Objective(
        [WeightedLoss(name, 1.0, configure(HOST, "loss", name, {}, "torch").build())], feed, TrainOptions()
    )
    groups = np.arange(4)[:, None]
    leaf = torch.from_numpy(patches)[:, None].requires_grad_()
    loss = objective.of_patterns(leaf, objective.measurement(feed.amplitude(groups), groups))
    (gradient,) = torch.autograd.grad(loss, leaf)
    return float(loss.detach()), gradient.numpy()


@pytest.mark.parametrize("name", LOSSES)
def test_what_bad_pixels_hold_changes_neither_loss_nor_gradient(scan, name):
    bad = np.zeros((scan.pixels, scan.pixels), dtype=bool)
    bad[14:18, 14:18] = bad[:, 5] = True
    rng = np.random.default_rng(4)
    patches = (1 + 0.2 * rng.normal(size=(4, 32, 32)) + 0.2j * rng.normal(size=(4, 32, 32))).astype(np.complex64)
    results = []
    for value in (0.0, 1e5):
        hot = np.where(bad, value, scan.batch(slice(None))).astype(np.float32)
        results.append(value_and_gradient(filled(replace(scan, amplitudes=hot, bad_pixels=bad)), name, patches))
    assert results[0][0] == results[1][0]
    np.testing.assert_array_equal(results[0][1], results[1][1])
    # Left in, they would pull.
    left_in = replace(scan, amplitudes=np.where(bad, 1e5, scan.batch(slice(None))).astype(np.float32))
    if name != "tv":
        assert not np.allclose(value_and_gradient(left_in, name, patches)[1], results[0][1])
