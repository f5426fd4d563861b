"""The synchronised stitcher: constant phases are found and removed, whatever order and batches the patches come in."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ptycho_host.contracts import Canvas, PatchBatch
from ptycho_host.physics.patches import extract_patches
from ptycho_stitchers import synchronised, weighted_mean

PIXELS = 32


def known_object(size, seed=0):
    """Smooth random amplitude 0.5 to 1.5 and phase of some radians."""
    rng = np.random.default_rng(seed)
    amplitude, phase = (gaussian_filter(rng.standard_normal((size, size)), 3) for _ in range(2))
    return (1 + 0.5 * np.tanh(10 * amplitude)) * np.exp(10j * phase)


def defocused_disc(diameter=16):
    y, x = np.indices((PIXELS, PIXELS)) - PIXELS // 2
    return np.where(y**2 + x**2 <= (diameter / 2) ** 2, np.exp(0.08j * (y**2 + x**2)), 0).astype(np.complex64) * 1e4


def raster(size, step):
    axis = np.arange(PIXELS // 2, size - PIXELS // 2 + 1, step, dtype=float)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def cut(obj, positions, seed=1):
    """Patches with a random constant phase each, and the same without."""
    patches = extract_patches(obj, positions, PIXELS)
    constants = np.exp(2j * np.pi * np.random.default_rng(seed).random(len(positions)))
    return (patches * constants[:, None, None]).astype(np.complex64), patches.astype(np.complex64)


def stitch(stitcher, shape, positions, patches, batch=50, probe=None):
    stitcher.begin(Canvas(shape, positions), defocused_disc() if probe is None else probe)
    for _ in range(3):
        for first in range(0, len(positions), batch):
            part = slice(first, first + batch)
            stitcher.add(PatchBatch(patches[part], positions[part]))
        if not stitcher.another_pass():
            return stitcher.finish()
    raise AssertionError("asks for more than three passes")


def in_phase(result, truth, where):
    """Truth turned by the constant that fits it to the result."""
    return truth * np.exp(1j * np.angle(np.vdot(truth[where], result[where])))


def distance(result, truth, where):
    """Root mean square difference, apart from a constant phase."""
    return np.sqrt(np.mean(np.abs(result - in_phase(result, truth, where))[where] ** 2))


@pytest.mark.parametrize("step", [3, 7, 12])
def test_random_constants_are_recovered_exactly_on_whole_pixels(step):
    obj, positions = known_object(116), raster(116, step)
    patches, _ = cut(obj, positions)
    result = stitch(synchronised.build(), obj.shape, positions, patches)
    covered = result.coverage > 0
    error = np.abs(result.object - in_phase(result.object, obj, covered))[covered]
    # Single precision, summed over some dozens of patches.
    assert error.max() < 1e-5
    assert covered.sum() > 90**2
    assert result.notes == ()


def test_at_sub_pixel_positions_it_equals_the_merge_of_patches_without_constants():
    obj = known_object(116)
    positions = np.clip(raster(116, 4) + np.random.default_rng(3).uniform(-1.5, 1.5, (22**2, 2)), 17, 98)
    patches, clean = cut(obj, positions)
    result = stitch(synchronised.build(), obj.shape, positions, patches)
    oracle = stitch(weighted_mean.build_probe_weighted(), obj.shape, positions, clean)
    well = result.coverage > 0.1
    # Cutting out and placing by cubics takes some high frequencies from the oracle as well, about 1 % of this object;
    # the phases must add next to nothing.
    assert distance(oracle.object, obj, well) < 2e-2
    assert distance(result.object, oracle.object, well) < distance(oracle.object, obj, well) / 5


def test_without_synchronisation_random_constants_wash_the_object_out():
    obj, positions = known_object(116), raster(116, 3)
    patches, _ = cut(obj, positions)
    result = stitch(weighted_mean.build_probe_weighted(), obj.shape, positions, patches)
    well = result.coverage > 0.5
    assert np.mean(np.abs(result.object[well])) < 0.4 * np.mean(np.abs(obj[well]))


def test_noisy_patches_still_agree_over_the_whole_scan():
    obj, positions = known_object(176), raster(176, 4)
    patches, clean = cut(obj, positions)
    rng = np.random.default_rng(5)
    noise = ((rng.standard_normal((*patches.shape, 2)) @ [1, 1j]) * np.abs(clean).mean()).astype(np.complex64)
    constants = np.sum(patches * clean.conj(), axis=(1, 2)) / np.sum(np.abs(clean) ** 2, axis=(1, 2))
    result = stitch(synchronised.build(), obj.shape, positions, patches + noise * constants[:, None, None])
    oracle = stitch(weighted_mean.build_probe_weighted(), obj.shape, positions, clean + noise)
    well = result.coverage > 0.5
    # The noise is larger than the object in each patch, and about a dozen patches share a pixel; a patch's 200 pixels
    # fix its phase to about 0.1 rad, and its neighbours share that out.
    assert distance(oracle.object, obj, well) > 0.2
    assert distance(result.object, oracle.object, well) < distance(oracle.object, obj, well) / 3


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_the_size_of_the_batches_does_not_matter(batch):
    obj, positions = known_object(76), raster(76, 4)
    patches, _ = cut(obj, positions)
    one, other = (stitch(synchronised.build(), obj.shape, positions, patches, batch=b) for b in (16, batch))
    # Another order of summation in single precision.
    np.testing.assert_allclose(other.object, one.object, atol=1e-5)
    np.testing.assert_allclose(other.coverage, one.coverage, atol=1e-5)


def test_the_order_of_the_patches_does_not_matter():
    obj, positions = known_object(76), raster(76, 4) + 0.3
    patches, _ = cut(obj, positions)
    order = np.random.default_rng(0).permutation(len(positions))
    one = stitch(synchronised.build(), obj.shape, positions, patches)
    other = stitch(synchronised.build(), obj.shape, positions[order], patches[order])
    np.testing.assert_allclose(other.object, one.object, atol=1e-4)


def test_two_runs_are_identical_and_a_stitcher_can_be_used_again():
    obj, positions = known_object(76), raster(76, 4)
    patches, _ = cut(obj, positions)
    stitcher = synchronised.build()
    one, other = (stitch(stitcher, obj.shape, positions, patches) for _ in range(2))
    np.testing.assert_array_equal(one.object, other.object)


def test_the_weighted_mean_of_the_object_has_phase_zero():
    obj, positions = known_object(76), raster(76, 4)
    patches, _ = cut(obj, positions)
    result = stitch(synchronised.build(), obj.shape, positions, patches)
    assert np.angle(np.sum(result.object * result.coverage)) == pytest.approx(0, abs=1e-4)


def test_disconnected_parts_are_solved_apart_and_reported():
    obj = known_object(160)
    left = raster(76, 4)
    positions = np.concatenate([left, left + 84])
    patches, _ = cut(obj, positions)
    result = stitch(synchronised.build(), obj.shape, positions, patches)
    assert len(result.notes) == 1
    assert "2 parts" in result.notes[0]
    for part in (slice(0, 76), slice(84, 160)):
        piece, truth, covered = (array[part, part] for array in (result.object, obj, result.coverage > 0))
        assert np.abs(piece - in_phase(piece, truth, covered))[covered].max() < 1e-5


def test_dark_patches_do_no_harm_and_are_reported():
    obj, positions = known_object(76), raster(76, 4)
    patches, _ = cut(obj, positions)
    patches[[0, 50, 51]] = 0
    result = stitch(synchronised.build(), obj.shape, positions, patches)
    assert np.isfinite(result.object).all()
    assert "3 of 144 patches" in result.notes[0]
    # Far from the dark ones nothing changes.
    region = slice(50, 60)
    piece, truth = result.object[region, region], obj[region, region]
    assert np.abs(piece - in_phase(piece, truth, np.ones_like(truth, dtype=bool))).max() < 1e-5


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_handful_of_patches(count):
    positions = np.array([[20.0, 20.0], [24.0, 23.0], [60.0, 60.0]])[:count]
    obj = known_object(80)
    patches, _ = cut(obj, positions)
    result = stitch(synchronised.build(), obj.shape, positions, patches)
    piece, truth = result.object[16:26, 16:26], obj[16:26, 16:26]
    assert np.abs(piece - in_phase(piece, truth, np.ones_like(truth, dtype=bool))).max() < 1e-5
    assert (result.notes != ()) == (count == 3)


def test_all_dark_patches_make_an_empty_object():
    positions = raster(76, 4)
    result = stitch(synchronised.build(), (76, 76), positions, np.zeros((144, PIXELS, PIXELS), np.complex64))
    assert not result.object.any()


def test_patches_out_of_order_are_refused():
    positions = raster(76, 4)
    stitcher = synchronised.build()
    stitcher.begin(Canvas((76, 76), positions), defocused_disc())
    with pytest.raises(ValueError, match="order"):
        stitcher.add(PatchBatch(np.ones((2, PIXELS, PIXELS), np.complex64), positions[1:3]))


def test_memory_does_not_grow_with_the_patches_of_a_sorted_scan():
    def peak_beyond_canvas(rows):
        positions = np.stack(np.meshgrid(16 + 4.0 * np.arange(rows), [16, 20, 24], indexing="ij"), -1).reshape(-1, 2)
        stitcher = synchronised.build()
        tracemalloc.start()
        stitcher.begin(Canvas((1, 1), positions), defocused_disc())
        patch = np.ones((30, PIXELS, PIXELS), np.complex64)
        for first in range(0, len(positions), 30):
            stitcher.add(PatchBatch(patch, positions[first : first + 30]))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    # 2,700 more patches: 2.3 kB each in their windows, 6 MB; pairs and indices are a tenth of that.
    assert peak_beyond_canvas(1000) - peak_beyond_canvas(100) < 2700 * 1500
