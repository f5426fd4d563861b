"""The spread of patches about their mean: what it predicts of the mean, and where it says nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ptycho_host.contracts import Canvas, PatchBatch
from ptycho_host.physics.patches import extract_patches
from ptycho_host.processes import Processes
from ptycho_host.testing.processes import everywhere
from ptycho_stitchers import grid, synchronised, weighted_mean

PIXELS, SIDE = 16, 28
ALONG, ACROSS = 0.03, 0.08
REPEATS = 300


def probe():
    y, x = np.indices((PIXELS, PIXELS)) - PIXELS / 2 + 0.5
    return np.exp(-(y**2 + x**2) / 24).astype(np.complex64)


def raster(step=2.0, shift=0.0):
    line = np.arange(PIXELS / 2, SIDE - PIXELS / 2 + 1, step) + shift
    return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)


def known_object(seed=0):
    rng = np.random.default_rng(seed)
    amplitude, phase = (3 * gaussian_filter(rng.normal(size=(SIDE, SIDE)), 3) for _ in range(2))
    return (0.8 + 0.2 * np.tanh(amplitude)) * np.exp(3j * phase)


def stitch(stitcher, batch, stretch=None, total=None):
    stitcher.begin(Canvas((SIDE, SIDE), batch.positions), probe())
    seen = slice(0, len(batch.patches)) if stretch is None else stitcher.share(stretch, total)
    while True:
        stitcher.add(PatchBatch(batch.patches[seen], batch.positions[seen]))
        if not stitcher.another_pass():
            return stitcher.finish()


@pytest.mark.parametrize(
    ("build", "noise_goes_with"),
    [
        (lambda: weighted_mean.build_overlap(crop=0.75), lambda: np.ones((PIXELS, PIXELS))),
        (weighted_mean.build_probe_weighted, lambda: 1 / np.abs(probe())),
    ],
    ids=["equal weights, equal errors", "weights |P|^2, errors 1/|P|"],
)
def test_the_mean_of_patches_with_independent_errors_scatters_as_their_spread_says(build, noise_goes_with):
    truth, positions, rng = known_object(), raster(), np.random.default_rng(1)
    true_patches = extract_patches(truth, positions, PIXELS)
    phasors, modulus = np.exp(1j * np.angle(true_patches)), noise_goes_with()
    amplitude, phase, along, across = [], [], [], []
    for _ in range(REPEATS):
        errors = rng.normal(0, ALONG, true_patches.shape) + 1j * rng.normal(0, ACROSS, true_patches.shape)
        patches = true_patches + np.minimum(modulus, 3) * errors * phasors
        result = stitch(build(), PatchBatch(patches.astype(np.complex64), positions))
        # An inner pixel is told by enough patches under enough light for errors that are small against the object.
        told = np.s_[8:-8, 8:-8]
        amplitude.append(np.abs(result.object)[told] - np.abs(truth)[told])
        phase.append(np.angle(result.object * truth.conj())[told] * np.abs(truth)[told])
        along.append((result.spread.along**2 / result.spread.patches)[told])
        across.append((result.spread.across**2 / result.spread.patches)[told])
    for errors, predicted in ((amplitude, along), (phase, across)):
        found = np.mean(np.square(errors))
        # 300 scans of 144 pixels, of which some 10 are independent: the variance is known to 3 %.
        assert np.mean(predicted) == pytest.approx(found, rel=0.08)
        # Pixel by pixel to the statistics of 300 repeats, 8 %, and four times that for the worst of 144.
        ratio = np.mean(predicted, axis=0) / np.mean(np.square(errors), axis=0)
        assert 0.68 < ratio.min() < ratio.max() < 1.45


@pytest.mark.parametrize("shift", [0.0, 0.37])
def test_equal_patches_have_no_spread_and_a_single_one_tells_of_none(shift):
    positions = raster(shift=shift)
    flat = np.full((len(positions), PIXELS, PIXELS), 0.8j, np.complex64)
    spread = stitch(synchronised.build(), PatchBatch(flat, positions)).spread
    known = np.isfinite(spread.along)
    assert known.mean() > 0.5
    # Sums of squares in single precision: the root of some 1e-7.
    assert max(spread.along[known].max(), spread.across[known].max()) < 2e-3
    lonely = stitch(weighted_mean.build_probe_weighted(), PatchBatch(flat[:1], positions[:1])).spread
    assert np.isnan(lonely.along).all()
    assert np.isnan(lonely.across).all()
    np.testing.assert_allclose(lonely.patches[lonely.patches > 0], 1, rtol=1e-5)


def test_constant_phases_that_are_taken_off_are_no_spread():
    positions = raster()
    patches = extract_patches(known_object(), positions, PIXELS)
    phases = np.exp(2j * np.pi * np.random.default_rng(2).random(len(positions)))[:, None, None]
    batch = PatchBatch((patches * phases).astype(np.complex64), positions)
    in_phase, as_they_are = (stitch(build(), batch).spread for build in (synchronised.build, ALL["probe_weighted"]))
    assert np.nanmax(in_phase.across) < 2e-3
    assert np.nanmedian(as_they_are.across) > 0.1


ALL = {"overlap": weighted_mean.build_overlap, "probe_weighted": weighted_mean.build_probe_weighted}
ALL["synchronised"] = synchronised.build


@pytest.mark.parametrize("name", ALL)
def test_processes_that_share_the_patches_find_the_spread_of_all(name):
    positions, rng = raster(shift=0.3), np.random.default_rng(3)
    patches = extract_patches(known_object(), positions, PIXELS)
    patches = (patches * (1 + 0.1 * rng.normal(size=patches.shape))).astype(np.complex64)
    batch = PatchBatch(patches, positions)
    due = stitch(ALL[name](), batch).spread
    found = everywhere(2, lambda mine: stitch(ALL[name](), batch, mine.stretch(len(patches)), mine.total).spread)
    assert np.nanmedian(due.along) > 0.02
    for spread in found:
        # Single precision, summed in another order.
        np.testing.assert_allclose(spread.patches, due.patches, rtol=1e-3)
        np.testing.assert_allclose(spread.along, due.along, atol=1e-3)
        np.testing.assert_allclose(spread.across, due.across, atol=1e-3)


def test_tiles_that_do_not_overlap_tell_nothing():
    positions = raster(step=4)
    batch = PatchBatch(np.ones((len(positions), PIXELS, PIXELS), np.complex64), positions)
    assert stitch(grid.build(), batch, slice(0, len(positions)), Processes().total).spread is None
