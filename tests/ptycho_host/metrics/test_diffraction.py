"""Agreement with the measurement, which needs no truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_host.data.embedded import siemens_star
from ptycho_host.data.scan import Scan
from ptycho_host.metrics.diffraction import PIXEL_BYTES, diffraction_agreement, patch_agreement, predicted_amplitudes

SIEMENS_STAR = Path(__file__).parents[4] / "shared" / "data" / "siemens_star_64.npz"


@pytest.fixture
def scan() -> Scan:
    """Twelve noiseless patterns at sub-pixel positions."""
    rng = np.random.default_rng(0)
    offset = np.arange(16) - 7.5
    probe = (10 * np.exp(-(offset[:, None] ** 2 + offset[None, :] ** 2) / 30)).astype(np.complex64)
    truth = (rng.uniform(0.5, 1, (48, 48)) * np.exp(1j * rng.uniform(-1, 1, (48, 48)))).astype(np.complex64)
    empty = Scan(np.empty((12, 16, 16), np.float32), rng.uniform(10, 38, (12, 2)), probe, truth=truth)
    amplitudes = predicted_amplitudes(truth, empty, np.arange(12))
    return Scan(amplitudes, empty.positions, probe, truth=truth)


def the_object(scan: Scan) -> NDArray[np.complex64]:
    assert scan.truth is not None
    return scan.truth


@pytest.mark.parametrize("batch", [256, 12, 5, 1])
def test_the_true_object_explains_its_patterns(scan: Scan, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ptycho_host.data.patterns.BLOCK", batch * PIXEL_BYTES * scan.pixels**2)
    found = diffraction_agreement(the_object(scan), scan)
    # Single precision.
    assert found.correlation == pytest.approx(1, abs=1e-6)
    assert found.r_factor == pytest.approx(0, abs=1e-6)
    assert found.residual == pytest.approx(0, abs=1e-10)
    assert found.patterns == 12


def test_the_intensities_of_further_modes_add(scan: Scan) -> None:
    second = (scan.probe * np.arange(-8, 8)).astype(np.complex64)
    first, other = (
        predicted_amplitudes(the_object(scan), replace(scan, probe=probe), np.arange(12))
        for probe in (scan.probe, second)
    )
    both = replace(scan, amplitudes=np.sqrt(first**2 + other**2))
    residuals = [diffraction_agreement(the_object(scan), both, modes).residual for modes in (None, second[None])]
    assert residuals[0] is not None
    assert residuals[0] > 0.1
    assert residuals[1] == pytest.approx(0, abs=1e-10)


def test_a_wrong_scale_shows_in_residual_and_r_factor_alone(scan: Scan) -> None:
    found = diffraction_agreement(the_object(scan) * np.float32(1.25), scan)
    assert found.correlation == pytest.approx(1, abs=1e-6)
    assert found.r_factor == pytest.approx(0.25, rel=1e-5)
    assert found.residual == pytest.approx(0.0625, rel=1e-5)


def test_figures_are_their_formulas(scan: Scan) -> None:
    other = np.roll(the_object(scan), 1, axis=0)
    found = diffraction_agreement(other, scan)
    predicted, measured = predicted_amplitudes(other, scan, np.arange(12)).astype(float), scan.batch(slice(None))
    each = [np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b)) for a, b in zip(predicted, measured, strict=True)]
    # Sums in single precision here, in double there.
    assert found.correlation == pytest.approx(np.mean(each), rel=1e-5)
    assert found.r_factor == pytest.approx(np.abs(predicted - measured).sum() / measured.sum(), rel=1e-5)
    assert found.residual == pytest.approx(((predicted - measured) ** 2).sum() / (measured**2).sum(), rel=1e-5)
    assert found.examples()["worst"] == int(np.argmin(each))
    assert found.examples()["best"] == int(np.argmax(each))


def test_single_patches_are_judged_alike(scan: Scan) -> None:
    whole = np.array(the_object(scan)[10:26, 12:28])[None]
    placed = Scan(np.ones((1, 16, 16), np.float32), np.array([[18.0, 20.0]]), scan.probe)
    measured = scan.batch(slice(0, 1))
    from_patch = patch_agreement([(whole, measured)], scan.probe)
    from_object = diffraction_agreement(
        the_object(scan), Scan(measured, placed.positions, scan.probe, truth=scan.truth)
    )
    assert from_patch == from_object


def test_patterns_without_photons_are_left_out_and_dark_predictions_count_as_wrong(scan: Scan) -> None:
    amplitudes = scan.batch(slice(None)).copy()
    amplitudes[3] = 0
    found = diffraction_agreement(the_object(scan), Scan(amplitudes, scan.positions, scan.probe))
    assert found.patterns == 11
    assert found.correlation == pytest.approx(1, abs=1e-6)
    assert 3 not in found.examples().values()
    dark = diffraction_agreement(np.zeros((48, 48), np.complex64), scan)
    assert dark.correlation == 0
    assert dark.residual == pytest.approx(1)


def test_what_is_not_defined_is_null_with_a_reason(scan: Scan) -> None:
    no_photons = diffraction_agreement(the_object(scan), Scan(np.zeros((12, 16, 16)), scan.positions, scan.probe))
    assert no_photons.as_json()["correlation"] is None
    assert "photon" in no_photons.as_json()["reasons"]["r_factor"]
    assert no_photons.examples() == {}
    broken = the_object(scan).copy()
    broken[20:24, 20:24] = np.nan
    assert diffraction_agreement(broken, scan).as_json()["reasons"]["residual"] == "the reconstruction is not finite"


@pytest.mark.skipif(not SIEMENS_STAR.exists(), reason="the measured Siemens star is not here")
def test_measured_siemens_star_agrees_with_its_published_reconstruction() -> None:
    with np.load(SIEMENS_STAR, allow_pickle=False) as data:
        positions = np.stack([data["ycoords"], data["xcoords"]], axis=1)
        scan = Scan(data["diff3d"], positions, data["probeGuess"], reference=data["objectGuess"])
    assert scan.reference is not None
    found = diffraction_agreement(scan.reference, scan)
    # Measured independently with sub-pixel positions: 0.99596 and 0.0081, given to these digits.
    assert found.correlation == pytest.approx(0.99596, abs=5e-6)
    assert found.residual == pytest.approx(0.0081, abs=5e-5)


def test_measured_patterns_against_a_plain_simulation_at_whole_pixels() -> None:
    scan = siemens_star()()
    scan = replace(scan, positions=np.rint(scan.positions))
    obj = scan.reference
    assert obj is not None
    each = []
    for (y, x), measured in zip(scan.positions.astype(int), scan.batch(slice(None)).astype(float), strict=True):
        wave = np.fft.fft2(scan.probe.astype(complex) * obj[y - 32 : y + 32, x - 32 : x + 32], norm="ortho")
        predicted = np.abs(np.fft.fftshift(wave))
        each.append(np.sum(predicted * measured) / np.linalg.norm(predicted) / np.linalg.norm(measured))
    # Single against double precision.
    assert diffraction_agreement(obj, scan).correlation == pytest.approx(np.mean(each), abs=1e-6)


def test_measured_patterns_tell_the_right_object_from_flipped_and_uniform_ones() -> None:
    scan = siemens_star()()
    assert scan.reference is not None
    right, flipped, uniform = (
        1 - np.nanmean(diffraction_agreement(obj, scan).correlations)
        for obj in (scan.reference, scan.reference[::-1, ::-1], np.ones_like(scan.reference))
    )
    # Without centring even a uniform object correlates well, so what is missing to 1 is compared.
    assert right < 0.006
    assert min(flipped, uniform) > 4 * right
