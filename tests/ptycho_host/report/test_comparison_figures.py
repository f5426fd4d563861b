"""Maps of several objects share their colour limits; errors are the objects' own; failures are holes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ptycho_host.metrics.frc import fourier_ring_correlation
from ptycho_host.metrics.region import Region
from ptycho_host.report.comparison_figures import COLUMNS, correlations_figure, maps_figure
from ptycho_host.report.style import CYCLIC_PHASE_MAP, ERROR_MAP, percentile_limits, png

REGION = Region((4, 44), (2, 52))


def specimen() -> NDArray[np.complex128]:
    rng = np.random.default_rng(0)
    amplitude, phase = (gaussian_filter(rng.normal(size=(48, 56)), 2) for _ in range(2))
    return (0.5 + 0.3 * amplitude / np.abs(amplitude).max()) * np.exp(0.6j * phase / np.abs(phase).max())


def images(figure: Figure, errors: bool) -> list[Any]:
    found = [image for axes in figure.axes for image in axes.images]
    return [image for image in found if (image.get_cmap().name == ERROR_MAP) == errors]


@pytest.mark.parametrize("quantity", ["amplitude", "phase"])
def test_truth_and_objects_have_the_truths_limits(quantity: Any) -> None:
    truth = specimen()
    figure = maps_figure(quantity, {"a": truth * 2, "b": truth * np.exp(0.5j)}, REGION, truth=truth)
    maps = images(figure, errors=False)
    assert len(maps) == 3
    assert len({image.get_clim() for image in maps}) == 1
    if quantity == "amplitude":
        assert maps[0].get_clim() == percentile_limits(np.abs(truth[REGION.slices]))
    one, two = (image.get_array() for image in images(figure, errors=True))
    expected = (np.abs(truth[REGION.slices]), 0) if quantity == "amplitude" else (0, 0.5)
    np.testing.assert_allclose(one, np.broadcast_to(expected[0], one.shape), atol=1e-12)
    np.testing.assert_allclose(two, np.broadcast_to(expected[1], two.shape), atol=1e-12)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["Truth", "a", "b"]


def test_errors_share_symmetric_limits_that_a_failure_does_not_set() -> None:
    truth = specimen()
    objects = {"fine": truth * 1.01, "good": truth * 1.02, "failed": truth * 50, "nan": truth * np.nan}
    limits = {image.get_clim() for image in images(maps_figure("amplitude", objects, REGION, truth=truth), errors=True)}
    ((low, high),) = limits
    assert low == -high
    assert high == pytest.approx(0.02 * np.percentile(np.abs(truth[REGION.slices]), 99), rel=1e-6)


def test_what_is_not_a_number_is_a_hole() -> None:
    truth = specimen()
    figure = maps_figure("phase", {"nan": truth * np.nan}, REGION, truth=truth)
    assert np.isnan(np.asarray(images(figure, errors=True)[0].get_array().filled(np.nan))).all()
    assert png(figure, dpi=30)


def test_many_objects_go_into_further_rows() -> None:
    truth = specimen()
    objects = {f"a rather long name of a method, number {number}": truth for number in range(2 * COLUMNS)}
    figure = maps_figure("amplitude", objects, REGION, truth=truth)
    assert len(images(figure, errors=False)) == 1 + len(objects)
    assert len(images(figure, errors=True)) == len(objects)
    assert max(line for line in (len(axes.get_title().split("\n")[0]) for axes in figure.axes)) < 30
    assert png(figure, dpi=30)


def test_without_a_truth_the_objects_share_limits_of_their_own() -> None:
    obj = specimen()
    for quantity in ("amplitude", "phase"):
        figure = maps_figure(quantity, {"a": obj, "b": obj * 0.5}, REGION)
        maps = images(figure, errors=False)
        assert (len(maps), len(images(figure, errors=True))) == (2, 0)
        assert maps[0].get_clim() == maps[1].get_clim()


def test_phases_that_go_round_are_cyclic() -> None:
    winding = np.exp(1j * np.linspace(0, 12, 56)) * np.ones((48, 56))
    for image in images(maps_figure("phase", {"a": winding}, REGION, truth=winding), errors=False):
        assert image.get_cmap().name == CYCLIC_PHASE_MAP


def test_the_names_of_curves_stand_below_them() -> None:
    truth = np.abs(specimen())
    rng = np.random.default_rng(1)
    curves = {f"method {n}": fourier_ring_correlation(truth, truth + 0.1 * rng.normal(size=truth.shape)) for n in "ab"}
    figure = correlations_figure({"Amplitude": curves, "Phase": curves})
    png(figure, dpi=40)
    for axes in figure.axes:
        legend = axes.get_legend()
        assert legend is not None
        assert [text.get_text().split(",")[0] for text in legend.get_texts()][:2] == ["method a", "method b"]
        assert legend.get_window_extent().y1 < axes.get_window_extent().y0


def test_names_of_any_length_leave_room_for_the_pictures() -> None:
    truth = specimen()
    name = "pinn (tensorflow, norm, trainable_intensity_scale=False, a_word_without_an_end_that_fits_nowhere_at_all, …)"
    # A layout that does not fit is a warning, and so an error here.
    for figure in (
        maps_figure("amplitude", {name: truth, f"{name} 2": truth}, REGION, truth=truth),
        correlations_figure({"Phase": {name: fourier_ring_correlation(np.abs(truth), np.abs(truth) ** 2)}}),
    ):
        png(figure, dpi=30)
        assert all(axes.get_window_extent().height > 20 for axes in figure.axes)
