"""Regions: the inputs of generators of whole scans, and the way from a run to its reconstruction."""

from __future__ import annotations

import numpy as np
import torch

from ptycho_host.physics import updates
from ptycho_host.physics.intensity import IntensityScale
from ptycho_host.physics.patches import extract_patches
from ptycho_host.testing.scans import simulated_scan
from ptycho_torch.patterns import PatternFeed
from ptycho_torch.predict import predict_regions
from ptycho_torch.regions import AT_ONCE, WEAK, Region, RegionNetwork

SCAN = simulated_scan(32, count=9, photons=1e8)
FEED = PatternFeed(SCAN, IntensityScale.of(SCAN), torch.device("cpu"))
ALL = np.arange(SCAN.count)[None]


def region(groups: np.ndarray = ALL) -> Region:
    return Region(FEED.amplitude(groups), FEED.probe, FEED.bad_pixels, SCAN.positions[groups])


def test_the_true_object_stays_but_for_the_noise() -> None:
    whole = region()
    height, width = whole.windows.shape
    truth = FEED.scale.model_object(SCAN.truth)[:height, :width]
    asked = whole.update(torch.from_numpy(truth[None]))
    started = whole.update(whole.initial)
    assert asked.abs().square().mean() < 1e-3 * started.abs().square().mean()


def test_an_update_is_the_mean_of_what_the_patterns_ask_for() -> None:
    whole = region()
    canvas = whole.initial[0].numpy()
    # The scan starts half a pattern from the corner of its canvas.
    patches = extract_patches(canvas, SCAN.positions, 32)
    asked = updates.projection_update(patches, FEED.amplitude(ALL)[0].numpy(), FEED.probe.numpy())
    due = np.zeros_like(canvas)
    for patch, (y, x) in zip(asked, (SCAN.positions - 16).astype(int), strict=True):
        due[y : y + 32, x : x + 32] += patch
    due /= whole.light[0].numpy() + WEAK
    np.testing.assert_allclose(whole.update(whole.initial)[0], due, atol=1e-5)


def test_portions_without_gradients_add_up_to_the_same() -> None:
    assert SCAN.count > AT_ONCE
    whole = region()
    remembered = whole.update(whole.initial.clone().requires_grad_())
    with torch.no_grad():
        forgotten = whole.update(whole.initial)
    torch.testing.assert_close(forgotten, remembered.detach(), rtol=1e-4, atol=1e-5)


def test_unlit_object_is_one() -> None:
    corner = region(np.array([[0, SCAN.count - 1]]))
    dark = corner.light < 1e-6
    assert dark.any()
    torch.testing.assert_close(corner.initial[dark], torch.ones_like(corner.initial[dark]), atol=1e-3, rtol=0)


class Initial(torch.nn.Module):
    """Answers with what it was given."""

    def forward(self, inputs: Region) -> torch.Tensor:
        return inputs.initial


def test_a_scan_is_predicted_in_regions_as_at_once() -> None:
    network = RegionNetwork(Initial())
    # The light on a patch comes from patterns up to a patch away, a probe's diameter in each direction.
    at_once, in_parts = (
        np.concatenate([batch.patches for batch in predict_regions(network, FEED, ALL[0], size, None)])
        for size in (SCAN.count, 10)
    )
    lit = np.abs(FEED.probe.numpy()) ** 2 > 0.1 * np.abs(FEED.probe.numpy()).max() ** 2
    assert at_once.shape == (SCAN.count, 32, 32)
    np.testing.assert_allclose(in_parts[:, lit], at_once[:, lit], atol=0.02)


def test_bad_pixels_are_not_asked() -> None:
    bad = np.zeros((32, 32), dtype=bool)
    bad[3:7, 3:7] = True
    groups = np.arange(4)[None]
    amplitude = FEED.amplitude(groups)
    spoilt = torch.where(torch.from_numpy(bad), 9.0, amplitude)
    one, other = (
        Region(values, FEED.probe, torch.from_numpy(bad), SCAN.positions[groups]) for values in (amplitude, spoilt)
    )
    torch.testing.assert_close(other.update(one.initial), one.update(one.initial))
