"""Uncertainties held against errors: the curve, the errors, and the figures of both."""

from __future__ import annotations

import numpy as np
import pytest

from ptycho_host.contracts import Uncertainty
from ptycho_host.metrics.alignment import align
from ptycho_host.metrics.region import Region
from ptycho_host.metrics.reliability import UncertaintyFigures, reliability, true_errors

SHAPE = (48, 48)


def everywhere(value: float) -> np.ndarray:
    return np.full(SHAPE, value, np.float32)


def test_normal_errors_lie_on_the_line_and_within_their_uncertainties() -> None:
    rng = np.random.default_rng(2)
    sigma = np.exp(rng.normal(size=(300, 400)))
    error = sigma * rng.normal(size=sigma.shape)
    error[:10] = np.nan
    found = reliability(error, sigma)
    assert found is not None
    # 10,000 errors a class know their root mean square to 0.7 %.
    np.testing.assert_allclose(found.found, found.predicted, rtol=0.04)
    assert np.all(np.diff(found.predicted) > 0)
    assert found.within == pytest.approx((0.683, 0.954, 0.997), abs=0.005)
    assert reliability(np.full(5, np.nan), np.ones(5)) is None


def test_true_errors_are_in_the_units_of_the_object_and_only_where_counted() -> None:
    truth = np.full(SHAPE, 0.5 + 0j)
    obj = 0.25 * np.exp(1j) * np.ones(SHAPE)
    obj[20, 20] *= 1.2 * np.exp(0.1j)
    counted = np.ones(SHAPE, bool)
    counted[0] = False
    amplitude, phase = true_errors(align(truth, obj, Region.whole(SHAPE)), truth, counted)
    # One pixel of some 2000 moves scale and phase but little.
    assert amplitude[20, 20] == pytest.approx(0.05, rel=0.01)
    assert phase[20, 20] == pytest.approx(0.1, rel=0.01)
    assert np.isnan(amplitude[0]).all()
    assert np.isnan(phase[0]).all()
    assert np.abs(amplitude[1:, :19]).max() < 1e-3


def test_the_figures_are_medians_of_the_covered_pixels_of_the_region() -> None:
    amplitude, phase = everywhere(0.1), everywhere(0.2)
    amplitude[:10], phase[5, 5] = 99, np.nan
    amplitude[20, 20:30] = 0.3
    covered = np.ones(SHAPE, bool)
    covered[:, :4] = False
    region = Region((10, 40), (2, 42))
    maps = Uncertainty(amplitude, phase)
    assert UncertaintyFigures.of(maps, region, covered) == UncertaintyFigures(pytest.approx(0.1), pytest.approx(0.2))
    errors = (everywhere(0.2), everywhere(-0.19))
    found = UncertaintyFigures.of(maps, region, covered, errors)
    assert found is not None
    # Ten pixels of 30 x 38 are so unsure that the error is within.
    assert found.amplitude_within == pytest.approx(10 / (30 * 38))
    assert found.phase_within == 1
    assert found.as_json().keys() == {"amplitude", "phase", "amplitude_within", "phase_within"}
    assert UncertaintyFigures(0.1, 0.2).as_json() == {"amplitude": 0.1, "phase": 0.2}
    assert UncertaintyFigures.of(Uncertainty(everywhere(np.nan), phase), region, covered) is None
