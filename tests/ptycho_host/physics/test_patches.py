"""Cutting and placing patches: against the kernel written out, exactness, adjointness, order of accuracy, edges."""

from __future__ import annotations

import numpy as np
import pytest

from ptycho_host.physics.patches import extract_patches, place_patches, tap_weights

N = 8
SHAPE = (21, 26)
MIXED = np.array([[9.0, 11.0], [10.25, 12.0], [7.0, 8.5], [11.71, 13.34], [5.999, 9.001]])


def random_complex(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def keys(s):
    """Keys' kernel as eq. 4 and 15 of the paper have it, a = -1/2."""
    s, a = abs(s), -0.5
    if s < 1:
        return (a + 2) * s**3 - (a + 3) * s**2 + 1
    return a * s**3 - 5 * a * s**2 + 8 * a * s - 4 * a if s < 2 else 0.0


def patch_by_sums(obj, position, pixels):
    """Every pixel of a patch as the sum over the whole object."""
    patch = np.zeros((pixels, pixels), dtype=complex)
    for n, m in np.ndindex(pixels, pixels):
        y, x = position[0] - pixels / 2 + n, position[1] - pixels / 2 + m
        for row, column in np.ndindex(obj.shape):
            if abs(y - row) < 2 and abs(x - column) < 2:
                patch[n, m] += keys(y - row) * keys(x - column) * obj[row, column]
    return patch


def test_equals_the_sum_over_keys_kernel():
    obj = random_complex(*SHAPE)
    patches = extract_patches(obj, MIXED, N)
    for patch, position in zip(patches, MIXED, strict=True):
        # Positions are rounded to a millionth of a pixel; these have no more digits than that.
        np.testing.assert_allclose(patch, patch_by_sums(obj, position, N), atol=1e-12)


@pytest.mark.parametrize("position", [(1.3, 2.0), (19.8, 24.4), (-3.0, 5.5), (8.0, 29.75), (-3.5, 10.0), (24.0, 29.0)])
def test_beyond_the_object_there_is_nothing(position):
    obj = random_complex(*SHAPE)
    patch = extract_patches(obj, np.array([position]), N)[0]
    assert patch.any()
    np.testing.assert_allclose(patch, patch_by_sums(obj, position, N), atol=1e-12)


@pytest.mark.parametrize("position", [(-5.0, 10.0), (10.0, -5.0), (26.0, 10.0), (10.0, 31.0), (1e6, 1e6)])
def test_a_patch_off_the_object_is_an_error(position):
    with pytest.raises(IndexError, match="outside the object"):
        extract_patches(random_complex(*SHAPE), np.array([[9.0, 11.0], position]), N)


@pytest.mark.parametrize("noise", [0.0, 1e-9, -1e-9])
def test_whole_pixels_are_copied_even_with_noise_in_the_positions(noise):
    obj = random_complex(*SHAPE).astype(np.complex64)
    positions = np.array([[4.0, 4.0], [9.0, 13.0], [17.0, 22.0]])
    for patch, (y, x) in zip(extract_patches(obj, positions + noise, N), positions.astype(int), strict=True):
        np.testing.assert_array_equal(patch, obj[y - 4 : y + 4, x - 4 : x + 4])


def test_a_whole_pixel_among_others_is_copied_too():
    obj = random_complex(*SHAPE)
    patches = extract_patches(obj, MIXED, N)
    np.testing.assert_array_equal(patches[0], obj[5:13, 7:15])


@pytest.mark.parametrize("odd", [7, 9])
def test_patches_with_an_odd_number_of_pixels_start_half_a_pixel_before(odd):
    obj = random_complex(*SHAPE)
    patch = extract_patches(obj, np.array([[10.5, 12.5]]), odd)[0]
    first = (int(10.5 - odd / 2), int(12.5 - odd / 2))
    np.testing.assert_array_equal(patch, obj[first[0] : first[0] + odd, first[1] : first[1] + odd])


@pytest.mark.parametrize(
    "positions", [MIXED, np.array([[10.0, 10.0], [12.0, 9.0]]), np.array([[1.2, 24.7], [-2.5, 3.0], [21.0, 26.5]])]
)
def test_placing_is_the_adjoint_of_cutting(positions):
    obj, patches = random_complex(*SHAPE), random_complex(len(positions), N, N, seed=1)
    canvas = np.zeros(SHAPE, dtype=complex)
    place_patches(canvas, patches, positions)
    assert np.vdot(patches, extract_patches(obj, positions, N)) == pytest.approx(np.vdot(canvas, obj), rel=1e-12)


def test_placing_adds_to_what_is_there():
    canvas = np.ones(SHAPE)
    place_patches(canvas, np.full((2, N, N), 3.0), np.array([[9.0, 11.0], [9.0, 11.0]]))
    expected = np.ones(SHAPE)
    expected[5:13, 7:15] += 6
    np.testing.assert_array_equal(canvas, expected)


def test_patches_beyond_the_canvas_are_lost():
    canvas = np.zeros(SHAPE)
    place_patches(canvas, np.ones((2, N, N)), np.array([[-40.0, 3.0], [10.0, 200.5]]))
    assert not canvas.any()


def test_weights_sum_to_one():
    fraction = np.linspace(0, 1, 101, endpoint=False)
    np.testing.assert_allclose(tap_weights(fraction).sum(axis=-1), 1, atol=1e-15)
    np.testing.assert_allclose(extract_patches(np.ones(SHAPE, dtype=complex), MIXED, N), 1, atol=1e-14)
    canvas = np.zeros(SHAPE)
    place_patches(canvas, np.ones((len(MIXED), N, N)), MIXED)
    assert canvas.sum() == pytest.approx(len(MIXED) * N**2, rel=1e-13)


def test_quadratic_objects_are_reproduced():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)

    def parabola(y, x):
        return 0.3 * y**2 - 0.7 * x**2 + 2 * x - y + 5 + 1j * (x**2 * y**2 / 100 - y)

    for patch, position in zip(extract_patches(parabola(y, x), MIXED, N), MIXED, strict=True):
        rows = position[0] - N / 2 + np.arange(N)[:, None]
        columns = position[1] - N / 2 + np.arange(N)
        # Keys' kernel with a = -1/2 is exact for polynomials of second degree an axis.
        np.testing.assert_allclose(patch, parabola(rows, columns), rtol=1e-12)


def test_the_error_falls_with_the_third_power_of_the_pixel():
    errors = []
    for pixel in (0.2, 0.1, 0.05):
        rows, columns = np.mgrid[:24, :24] * pixel
        obj = np.exp(1j * (rows + 0.5 * columns))
        patch = extract_patches(obj, np.array([[11.3, 12.7]]), N)[0]
        y, x = (11.3 - N / 2 + np.arange(N)[:, None]) * pixel, (12.7 - N / 2 + np.arange(N)) * pixel
        errors.append(np.abs(patch - np.exp(1j * (y + 0.5 * x))).max())
    order = np.log2(np.array(errors[:-1]) / errors[1:])
    # The next term of the error, of fourth order, is still visible at these pixels.
    np.testing.assert_allclose(order, 3, atol=0.15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("positions", [MIXED, MIXED[:1]])
def test_precision_is_kept(dtype, positions):
    assert extract_patches(np.ones(SHAPE, dtype=dtype), positions, N).dtype == dtype
    canvas = np.zeros(SHAPE, dtype=dtype)
    place_patches(canvas, np.ones((len(positions), N, N), dtype=dtype), positions)
    assert canvas.dtype == dtype


def test_single_precision_is_good_to_single_precision():
    obj = random_complex(*SHAPE)
    single = extract_patches(obj.astype(np.complex64), MIXED, N)
    np.testing.assert_allclose(single, extract_patches(obj, MIXED, N), atol=3e-6)


def test_no_positions_give_no_patches():
    assert extract_patches(random_complex(*SHAPE), np.zeros((0, 2)), N).shape == (0, N, N)
