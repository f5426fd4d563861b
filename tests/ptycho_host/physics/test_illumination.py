"""How the probe lights the object: summed light, the probe's size, overlap, the well-covered area."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from ptycho_host.physics.illumination import disc_overlap, illumination, probe_diameter, well_covered


def disc(pixels, radius, value=1.0):
    y, x = np.mgrid[:pixels, :pixels] - pixels / 2
    return np.where(y**2 + x**2 < radius**2, value, 0).astype(np.complex64)


def test_on_whole_pixels_intensities_are_added_up():
    probe = (np.random.default_rng(0).normal(size=(8, 8)) * (1 + 2j)).astype(np.complex64)
    positions = np.array([[4.0, 4.0], [6.0, 9.0], [6.0, 9.0], [15.0, 12.0]])
    expected = np.zeros((20, 18))
    for y, x in positions.astype(int):
        expected[y - 4 : y + 4, x - 4 : x + 4] += np.abs(probe) ** 2
    found = illumination(positions, probe, (20, 18))
    assert found.dtype == np.float32
    # The result is rounded to single precision.
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_light_is_kept_between_pixels_over_many_blocks():
    probe = np.exp(-((np.mgrid[:16, :16] - 8) ** 2).sum(axis=0) / 8).astype(np.complex64)
    positions = np.random.default_rng(1).uniform(12, 38, size=(600, 2))
    lit = illumination(positions, probe, (50, 50))
    # A smooth probe: nothing is clipped, and 600 patterns are more than two blocks.
    assert lit.sum(dtype=np.float64) == pytest.approx(600 * np.sum(np.abs(probe) ** 2), rel=1e-5)


def test_sharp_edges_make_no_negative_light():
    lit = illumination(np.array([[15.5, 15.3]]), disc(16, 5), (32, 32))
    assert lit.min() == 0


@pytest.mark.parametrize("radius", [6.0, 11.5, 20.0])
def test_a_disc_is_as_wide_as_it_is(radius):
    probe = disc(64, radius, 3 * np.exp(0.4j))
    area = np.count_nonzero(probe)
    assert probe_diameter(probe) == pytest.approx(2 * np.sqrt(area / np.pi), rel=1e-6)
    # A disc of pixels has the area of the circle to a few per cent.
    assert probe_diameter(probe) == pytest.approx(2 * radius, rel=0.02)


@pytest.mark.parametrize("width", [2.0, 4.5])
def test_a_gaussian_is_two_root_two_widths_wide(width):
    y, x = np.mgrid[:64, :64] - 32
    # Amplitude exp(-r^2 / 2 s^2): effective area (pi s^2)^2 / (pi s^2 / 2) = 2 pi s^2.
    probe = np.exp(-(y**2 + x**2) / (2 * width**2) + 0.1j * x).astype(np.complex64)
    assert probe_diameter(probe) == pytest.approx(2 * np.sqrt(2) * width, rel=1e-5)
    assert probe_diameter(1e5 * probe) == pytest.approx(probe_diameter(probe), rel=1e-5)


@pytest.mark.parametrize("distance", [0.0, 0.3, 4.0, 7.7, 9.999])
def test_overlap_is_the_area_of_the_lens(distance):
    diameter, radius = 10.0, 5.0
    half, _ = quad(lambda x: 2 * np.sqrt(radius**2 - x**2), distance / 2, radius)
    # The tolerance is that of the quadrature at the square root's end.
    assert disc_overlap(distance, diameter) == pytest.approx(2 * half / (np.pi * radius**2), abs=1e-7)


def test_overlap_ends_where_the_discs_part():
    assert disc_overlap(0, 7) == 1
    assert disc_overlap(7, 7) == 0
    assert disc_overlap(90, 7) == 0
    assert np.all(np.diff([disc_overlap(d, 7) for d in np.linspace(0, 7, 50)]) < 0)


def test_well_covered_is_measured_against_the_median_of_what_is_lit():
    lit = np.zeros((10, 10), dtype=np.float32)
    lit[2:8, 2:8] = 100
    lit[6:8, 2:8] = 1000  # a bright corner must not move the threshold
    lit[2, 2:8] = 9.9
    lit[3, 2:8] = 10.1
    expected = np.zeros((10, 10), dtype=bool)
    expected[3:8, 2:8] = True
    np.testing.assert_array_equal(well_covered(lit), expected)
    expected[3, :] = False
    np.testing.assert_array_equal(well_covered(lit, threshold=0.5), expected)


def test_in_the_dark_nothing_is_covered():
    assert not well_covered(np.zeros((4, 5), dtype=np.float32)).any()
