"""Fourier ring correlation against cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_host.metrics.frc import NYQUIST, FRCCurve, fourier_ring_correlation


def noise(shape: tuple[int, int], seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("shape", [(64, 64), (65, 64), (48, 90)])
def test_an_image_agrees_with_itself_everywhere(shape: tuple[int, int]) -> None:
    for image in (noise(shape, 0), noise(shape, 1) + 1j * noise(shape, 2)):
        # Neither a scale nor an offset of an image is structure.
        curve = fourier_ring_correlation(image, 3 * image + 7)
        np.testing.assert_allclose(curve.correlation, 1, atol=1e-12)
        assert curve.frc50 == NYQUIST
        assert curve.frc_half_bit == NYQUIST
        assert curve.frequency[-1] <= NYQUIST
        assert curve.frequency[0] == pytest.approx(1 / min(shape))


def test_a_negative_is_anticorrelated() -> None:
    image = noise((32, 32), 0)
    np.testing.assert_allclose(fourier_ring_correlation(image, -image).correlation, -1, atol=1e-12)


def test_independent_noise_does_not_correlate() -> None:
    curve = fourier_ring_correlation(noise((256, 256), 0) + 100, noise((256, 256), 1) + 100)
    # A ring of n pixels holds n/2 independent ones, fewer under the taper: sigma about 2/sqrt(n); four sigma.
    assert np.all(np.abs(curve.correlation) < 8 / np.sqrt(curve.counts))
    assert abs(np.average(curve.correlation, weights=curve.counts)) < 0.02
    assert curve.frc50 < 0.02


def test_complex_images_need_the_same_phase() -> None:
    image = noise((64, 64), 0) + 1j * noise((64, 64), 1)
    np.testing.assert_allclose(fourier_ring_correlation(image, 1j * image).correlation, 0, atol=1e-12)


@pytest.mark.parametrize("cut_off", [0.12, 0.3])
def test_an_image_with_noise_beyond_a_cut_off_crosses_there(cut_off: float) -> None:
    image = noise((128, 128), 0)
    radius = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)[None, :])
    inner = np.fft.ifft2(np.fft.fft2(image) * (radius < cut_off)).real
    outer = np.fft.ifft2(np.fft.fft2(noise((128, 128), 1)) * (radius >= cut_off)).real
    curve = fourier_ring_correlation(image, inner + outer)
    # One ring is 1/128 wide and the Hann taper spreads the edge over two.
    assert curve.frc50 == pytest.approx(cut_off, abs=2 / 128)
    assert curve.frc_half_bit == pytest.approx(cut_off, abs=3 / 128)


def test_known_signal_to_noise_ratio_gives_known_correlation() -> None:
    signal = noise((256, 256), 0)
    curve = fourier_ring_correlation(signal + noise((256, 256), 1), signal + noise((256, 256), 2))
    # Equal powers of signal and noise: correlation SNR/(SNR+1) = 1/2 in each image's ring.
    assert np.average(curve.correlation, weights=curve.counts) == pytest.approx(0.5, abs=0.015)


def test_crossing_is_interpolated_between_rings() -> None:
    frequency = np.array([0.1, 0.2, 0.3, 0.4])
    curve = FRCCurve(frequency, np.array([0.9, 0.7, 0.3, 0.9]), np.full(4, 0.6), np.full(4, 50))
    assert curve.frc50 == pytest.approx(0.25)
    assert curve.frc_half_bit == pytest.approx(0.225)


def test_half_bit_threshold_has_the_published_limits() -> None:
    curve = fourier_ring_correlation(noise((512, 512), 0), noise((512, 512), 1))
    # For many pixels the threshold tends to SNR/(SNR+1) with SNR = sqrt(2)-1 over two, i.e. 0.2071/1.2071.
    assert curve.half_bit[-1] == pytest.approx(0.2071 / 1.2071, abs=0.04)
    assert np.all(np.diff(curve.half_bit[curve.counts.argsort()]) <= 0)
    # Every Fourier pixel out to Nyquist, but the zero frequency, is in a ring: a disc of that area.
    assert curve.counts.sum() == pytest.approx(np.pi * 256.5**2, rel=5e-3)


@pytest.mark.parametrize(("a", "b"), [((8, 8), (8, 9)), ((3, 3), (3, 3)), ((8,), (8,))])
def test_unusable_images_are_refused(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="two images"):
        fourier_ring_correlation(np.ones(a), np.ones(b))
