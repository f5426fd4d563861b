"""The objects: recipe of the lines, geometry of the star, statistics of the fields, use of pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import convolve1d

from ptycho_host.contracts import SimulationRequest
from ptycho_host.errors import DataError, InputError
from ptycho_simulators import cells, image, lines, mixture, random_field, siemens_star


def drawn(module, seed=0, size=128, **options):
    return module.build(**options).recipe.draw(size, np.random.default_rng(seed))


def blur(canvas, sigma):
    """Gaussian of standard deviation sigma, cut at four of them, by direct convolution."""
    n = np.arange(-4 * sigma, 4 * sigma + 1)
    kernel = np.exp(-(n**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    for axis in (0, 1):
        canvas = convolve1d(canvas, kernel, axis=axis)
    return canvas


def test_lines_follow_the_recipe():
    size, segments = 64, 50
    canvas = np.zeros((128, 128))
    for y0, x0, y1, x1 in np.random.default_rng(5).integers(0, 128, (segments, 4)):
        reach = max(abs(y1 - y0), abs(x1 - x0), 1)
        t = np.arange(reach + 1) / reach
        # Another rounding of ties than the simulator's moves a few pixels of a segment by one.
        canvas[np.round(y0 + t * (y1 - y0)).astype(int), np.round(x0 + t * (x1 - x0)).astype(int)] = 1
    intensity = (blur(canvas, 1) + 2 * blur(canvas, 5) + 5 * blur(canvas, 10))[32:96, 32:96]
    obj = drawn(lines, seed=5, size=size, segments=segments, amplitude_floor=0.3)
    amplitude = 0.3 + 0.7 * intensity / intensity.max()
    phase = np.pi * np.tanh((intensity - intensity.max() / 2) / (3 * intensity.mean()))
    # The displaced pixels change the blurred image by at most a few per cent at a few places.
    assert np.mean(np.abs(np.abs(obj) - amplitude)) < 2e-3
    assert np.mean(np.abs(np.angle(obj * np.exp(-1j * phase)))) < 1e-2


def test_lines_span_their_amplitude_range_and_phase_is_a_function_of_amplitude():
    obj = drawn(lines, segments=50)
    amplitude, phase = np.abs(obj), np.angle(obj)
    assert amplitude.max() == pytest.approx(1, abs=1e-6)
    assert amplitude.min() >= 0.3
    order = np.argsort(amplitude, axis=None)
    # Monotonic; amplitudes equal in single precision come in any order.
    assert np.diff(phase.ravel()[order]).min() > -1e-5
    assert np.ptp(phase) > 1


def test_lines_without_phase_are_real():
    assert np.all(drawn(lines, phase=False).imag == 0)


def test_lines_of_a_single_segment_that_misses_the_crop_are_uniform():
    def draw(seed):
        return drawn(lines, seed=seed, size=400, segments=1)

    uniform = next(obj for obj in map(draw, range(20)) if np.ptp(np.abs(obj)) == 0)
    assert np.all(uniform == np.float32(0.3))


def test_the_star_has_its_spokes_and_contrast():
    obj = drawn(siemens_star, size=256, spokes=16, amplitude_contrast=0.4, phase_contrast=0.7)
    angle = np.linspace(0, 2 * np.pi, 7201)[:-1]
    y, x = (127.5 + 80 * np.array([np.sin(angle), np.cos(angle)])).round().astype(int)
    amplitude = np.abs(obj[y, x])
    dark = amplitude < 0.8
    assert np.sum(dark & ~np.roll(dark, 1)) == 16
    assert amplitude.min() == pytest.approx(0.6, abs=1e-6)
    assert np.angle(obj[y, x])[amplitude == amplitude.min()].max() == pytest.approx(0.7, abs=1e-6)
    assert obj[0, 0] == 1  # outside
    assert obj[127, 127] == 1  # within the inner radius


def test_the_star_covers_its_area_because_it_is_antialiased():
    star = (1 - np.abs(drawn(siemens_star, size=256, inner_radius=20, amplitude_contrast=1))).sum()
    area = np.pi * ((0.45 * 256) ** 2 - 20**2) / 2
    # Pixels at corners of spokes are covered only approximately.
    assert star == pytest.approx(area, rel=2e-3)


def test_the_random_field_has_its_power_law():
    fields = [np.angle(drawn(random_field, seed=s, exponent=2.0, phase_deviation=0.2)) for s in range(20)]
    power = np.mean([np.abs(np.fft.fft2(field)) ** 2 for field in fields], axis=0)
    k = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)[None, :])
    rings = [(0.02, 0.03), (0.2, 0.22)]
    low, high = (power[(k > a) & (k < b)] * k[(k > a) & (k < b)] ** 2 for a, b in rings)
    # About 1,000 and 16,000 exponential variates: 3 and 1 per cent.
    assert low.mean() == pytest.approx(high.mean(), rel=0.15)


def test_the_random_field_has_its_moments():
    obj = drawn(random_field, amplitude_floor=0.4, phase_deviation=0.5)
    assert np.angle(obj).std() == pytest.approx(0.5, rel=1e-4)
    assert 0.4 <= np.abs(obj).min() < 0.45
    assert 0.95 < np.abs(obj).max() <= 1


@pytest.mark.parametrize("correlation", [0.0, 1.0, -0.6])
def test_the_random_field_correlates_as_asked(correlation):
    found = []
    for seed in range(30):
        obj = drawn(random_field, seed=seed, size=64, exponent=1.0, correlation=correlation)
        found.append(np.corrcoef(np.abs(obj).ravel(), np.angle(obj).ravel())[0, 1])
    # Pearson's coefficient of a uniform and a normal variate is sqrt(3 / pi) of that of two normal ones.
    assert np.mean(found) == pytest.approx(correlation * np.sqrt(3 / np.pi), abs=0.03)


@pytest.mark.parametrize("name", image.SAMPLES)
def test_every_sample_is_there_without_a_download(name):
    obj = drawn(image, size=32, amplitude=name, phase_range=0.0)
    assert np.abs(obj).min() == pytest.approx(0.4, abs=1e-6)
    assert np.abs(obj).max() == pytest.approx(1, abs=1e-6)
    assert np.all(obj.imag == 0)


def test_pictures_give_amplitude_and_phase_from_their_central_square(tmp_path):
    ramp = np.zeros((40, 60), dtype=np.uint8)
    ramp[:, 10:50] = np.arange(40)[:, None] * 5
    rows, columns = tmp_path / "rows.png", tmp_path / "columns.png"
    Image.fromarray(ramp).save(rows)
    Image.fromarray(np.stack([ramp[:, 10:50].T] * 3, axis=-1)).save(columns)
    obj = drawn(image, size=40, amplitude=str(rows), phase=str(columns), amplitude_floor=0.5, phase_range=2.0)
    along = np.arange(40) / 39
    np.testing.assert_allclose(np.abs(obj), np.broadcast_to(0.5 + 0.5 * along[:, None], (40, 40)), atol=1e-6)
    np.testing.assert_allclose(np.angle(obj), np.broadcast_to(2 * along - 1, (40, 40)), atol=1e-6)


def test_pictures_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(InputError, match="neither an image file"):
        drawn(image, amplitude="nowhere.png")
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"broken\.png"):
        drawn(image, amplitude=str(tmp_path / "broken.png"))
    Image.fromarray(np.full((8, 8), 3, np.uint8)).save(tmp_path / "flat.png")
    with pytest.raises(DataError, match="one grey"):
        drawn(image, amplitude=str(tmp_path / "flat.png"))


@pytest.mark.parametrize("module", [lines, siemens_star, random_field, image, cells])
def test_every_simulator_returns_a_scan_with_its_truth(module):
    scan = module.build(size=48, pixels=24)(SimulationRequest(), np.random.default_rng(0))
    assert scan.truth.shape == (48, 48)
    assert scan.amplitudes.shape == (25, 24, 24)
    assert scan.metadata["simulator"] == scan.name == module.__name__.rpartition(".")[2]


def test_a_mixture_holds_its_classes_by_turns_and_never_the_same_tile_twice():
    obj = drawn(mixture, size=200, tile=64)
    assert obj.shape == (200, 200)
    tiles = [obj[y : y + 64, x : x + 64] for y in (0, 64, 128) for x in (0, 64, 128)]
    contents = {tile.tobytes() for tile in tiles}
    assert len(contents) == 9
    amplitude = np.abs(obj)
    assert np.isfinite(amplitude).all() and amplitude.max() <= 1 + 1e-6 and amplitude.min() > 0.05


@pytest.mark.parametrize("chosen", ["lines", "fields", "shapes"])
def test_tiles_of_a_class_differ_in_contrast(chosen):
    obj = drawn(mixture, size=512, tile=64, classes=(chosen,))
    tiles = obj.reshape(8, 64, 8, 64).swapaxes(1, 2).reshape(64, 64, 64)
    contrast = np.std(np.abs(tiles), axis=(1, 2))
    assert contrast.max() > 2 * contrast.min() > 0
    # Only in lines is the phase a function of the amplitude.
    related = [np.corrcoef(np.abs(tile).ravel(), np.angle(tile).ravel())[0, 1] for tile in tiles]
    assert (np.median(np.abs(related)) > 0.9) == (chosen == "lines")


def test_cells_are_a_weak_phase_object_and_nearly_transparent():
    obj = drawn(cells, size=256, phase_contrast=0.3, amplitude_contrast=0.04)
    amplitude, phase = np.abs(obj), np.angle(obj)
    assert phase.min() == pytest.approx(0, abs=1e-6)
    assert phase.max() == pytest.approx(0.3, abs=1e-6)
    assert amplitude.max() == pytest.approx(1, abs=1e-6)
    assert amplitude.min() == pytest.approx(0.96, abs=1e-6)
    # Nuclei and granules absorb, thickness does not: neither image is a function of the other.
    assert 0.2 < abs(np.corrcoef(amplitude.ravel(), phase.ravel())[0, 1]) < 0.9


def test_cells_of_one_seed_are_the_same_and_of_another_are_others():
    one, again, other = (drawn(cells, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.corrcoef(np.angle(one).ravel(), np.angle(other).ravel())[0, 1] < 0.5


def test_a_cell_is_thickest_in_its_middle_and_ends_at_its_membrane():
    distance = np.hypot(*(np.indices((200, 200)) - 100))
    rings = ((0, 8), (20, 28), (70, 79))
    found = []
    for seed in range(8):
        thickness, absorption = np.zeros((200, 200)), np.zeros((200, 200))
        cells._add_cell(thickness, absorption, np.array([100.0, 100.0]), 40.0, np.random.default_rng(seed))
        found.append([thickness[(distance >= low) & (distance < high)].mean() for low, high in rings])
    nucleus, body, outside = np.mean(found, axis=0)
    assert nucleus > 1.3 * body > 0.5
    assert outside == pytest.approx(0, abs=1e-6)


def test_cells_cover_about_the_part_that_was_asked_for():
    centres = cells._apart(512, 40.0, 0.3, 50.0, np.random.default_rng(0))
    assert len(centres) * np.pi * 25**2 / 512**2 == pytest.approx(0.3, rel=0.05)
    gaps = np.hypot(*(centres[:, None] - centres[None]).transpose(2, 0, 1)) + 1e9 * np.eye(len(centres))
    assert gaps.min() >= 40
