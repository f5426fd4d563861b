"""Positions: spacing, overlap, and every patch inside the object."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.spatial import cKDTree

from ptycho_host.errors import InputError
from ptycho_host.physics.illumination import disc_overlap
from ptycho_simulators.scan_patterns import ScanPattern, scan_positions

PATTERNS = ("raster", "jittered", "spiral", "random")


def positions_of(seed=0, size=256, pixels=64, diameter=32.0, **options):
    return scan_positions(ScanPattern(**options), size, pixels, diameter, np.random.default_rng(seed))


def nearest(positions):
    return cKDTree(positions).query(positions, k=2)[0][:, 1]


def test_the_default_is_a_whole_pixel_raster_from_border_to_border():
    positions = positions_of()
    axis = np.arange(32, 225, 6)
    np.testing.assert_array_equal(positions, [(y, x) for y in axis for x in axis])


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("step", [2.5, 6.0, 400.0])
def test_every_patch_and_its_interpolation_lie_inside_the_object(pattern, step):
    first = positions_of(pattern=pattern, step=step, size=200, pixels=49) - 49 / 2
    whole = np.floor(np.round(first, 6))
    taps_before, taps_behind = np.where(first == whole, 0, 1), np.where(first == whole, 0, 2)
    assert np.all(whole - taps_before >= 0)
    assert np.all(whole + 48 + taps_behind <= 199)
    assert len(first) >= 1


@pytest.mark.parametrize("pattern", PATTERNS[1:])
def test_other_patterns_are_sub_pixel_and_about_as_dense_as_the_raster(pattern):
    positions = positions_of(pattern=pattern)
    assert np.mean(np.abs(positions - np.round(positions)) > 0.01) > 0.9
    # (192 / 6)^2 = 1024 positions fill the area; rows on the border make it up to 33^2.
    assert 980 <= len(positions) <= 1089


def test_jitter_stays_within_its_share_of_the_step():
    jittered = positions_of(pattern="jittered", step=10, jitter=0.2)
    raster = 33 + (190 - 190) / 2 + 10 * np.arange(20)
    offsets = jittered.reshape(20, 20, 2) - np.stack(np.meshgrid(raster, raster, indexing="ij"), axis=-1)
    assert np.abs(offsets).max() <= 2
    assert np.abs(offsets).max() > 1.9


def test_the_fermat_spiral_has_equal_area_turns_at_the_golden_angle():
    offsets = positions_of(pattern="spiral") - 128
    radius, angle = np.hypot(*offsets.T), np.unwrap(np.arctan2(*offsets.T))
    inner = radius < 90  # the whole disc lies inside the square
    assert np.diff(radius[inner] ** 2) == pytest.approx(36 / np.pi)
    assert np.mod(np.diff(angle[inner]), 2 * np.pi) == pytest.approx(np.radians(137.507764))
    # Neighbours in a Fermat spiral of one point per unit area are 0.8 to 1.01 apart.
    assert nearest(offsets).min() > 0.8 * 6
    assert nearest(offsets).max() < 1.02 * 6


def test_random_positions_keep_their_distance_and_differ_by_seed():
    positions = positions_of(pattern="random")
    assert nearest(positions).min() >= 0.7 * 6
    assert not np.array_equal(positions[:100], positions_of(pattern="random", seed=1)[:100])


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("overlap", [0.2, 0.7])
def test_an_overlap_that_is_asked_for_is_reached(pattern, overlap):
    positions = positions_of(pattern=pattern, overlap=overlap)
    reached = np.mean([disc_overlap(distance, 32.0) for distance in nearest(positions)])
    assert reached == pytest.approx(overlap, abs=0.01)


def test_an_overlap_that_cannot_be_reached_is_refused():
    with pytest.raises(InputError, match=r"simulator\.scan\.overlap"):
        positions_of(pattern="random", overlap=0.3, size=72)


@pytest.mark.parametrize("options", [{"step": 0}, {"overlap": 1}, {"jitter": -1}, {"pattern": "square"}, {"stop": 3}])
def test_options_are_bounded_and_unknown_ones_refused(options):
    with pytest.raises(ValidationError):
        ScanPattern(**options)
