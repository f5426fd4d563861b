"""Figures show what they were given, with limits from the truth, and leave matplotlib's global state alone."""

from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ptycho_host.contracts import Uncertainty
from ptycho_host.metrics.frc import fourier_ring_correlation
from ptycho_host.metrics.region import Region
from ptycho_host.records import EpochReport
from ptycho_host.report.figures import (
    DiffractionExample,
    comparison_figure,
    diffraction_figure,
    frc_figure,
    png,
    reconstruction_figure,
    training_figure,
    uncertainty_figure,
)
from ptycho_host.report.style import CYCLIC_PHASE_MAP, percentile_limits

REGION = Region((4, 44), (2, 52))
INSIDE = REGION.slices


def specimen(turns: float = 0.1) -> NDArray[np.complex128]:
    rng = np.random.default_rng(0)
    amplitude, phase = (gaussian_filter(rng.normal(size=(48, 56)), 2) for _ in range(2))
    amplitude = 0.5 + 0.3 * amplitude / np.abs(amplitude).max()
    return amplitude * np.exp(2j * np.pi * turns * phase / np.abs(phase).max())


def maps(figure: Figure) -> list[Any]:
    return [axes.images[0] for axes in figure.axes if axes.images]


def decoded_size(figure: Figure) -> tuple[int, int]:
    from PIL import Image

    with Image.open(io.BytesIO(png(figure, dpi=60))) as image:
        image.load()
        return image.size


def report(epoch: int, **changes: Any) -> EpochReport:
    facts: dict[str, Any] = {
        "epoch": epoch, "training_loss": 1 / epoch, "validation_loss": 1.1 / epoch, "learning_rate": 1e-3,
        "gradient_norm": 0.5, "clipped": 0.1, "seconds": 1.0, "patterns_per_second": 100.0, "collapsed": False,
    }  # fmt: skip
    return EpochReport(**facts | changes)


def test_reconstruction_stands_beside_the_truth_with_the_truths_limits() -> None:
    truth = specimen()
    figure = reconstruction_figure(truth * 3, REGION, truth=truth, pixel_m=10e-9)
    target, image, error = maps(figure)[:3]
    np.testing.assert_array_equal(target.get_array(), np.abs(truth[INSIDE]))
    np.testing.assert_allclose(image.get_array(), 3 * np.abs(truth[INSIDE]), rtol=1e-12)
    np.testing.assert_allclose(error.get_array(), 2 * np.abs(truth[INSIDE]))
    assert target.get_clim() == image.get_clim() == percentile_limits(np.abs(truth[INSIDE]))
    assert error.get_clim()[0] == -error.get_clim()[1]
    labels = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert labels == ["100 nm"]


def test_phase_uses_a_cyclic_map_only_when_it_goes_round() -> None:
    assert (
        maps(reconstruction_figure(specimen(0.1), REGION, truth=specimen(0.1)))[3].get_cmap().name != CYCLIC_PHASE_MAP
    )
    winding = np.exp(1j * np.linspace(0, 12, 56)) * np.ones((48, 56))
    image = maps(reconstruction_figure(winding, REGION, truth=winding))[4]
    assert image.get_cmap().name == CYCLIC_PHASE_MAP
    assert image.get_clim() == (-np.pi, np.pi)
    assert np.abs(image.get_array()).max() <= np.pi


def test_without_truth_the_coverage_is_shown_with_the_region() -> None:
    coverage = np.random.default_rng(0).random((48, 56))
    figure = reconstruction_figure(specimen(), REGION, coverage=coverage)
    assert [image.get_array().shape for image in maps(figure)] == [(40, 50), (40, 50), (48, 56)]
    outline = figure.axes[2].lines[-1]
    assert (min(outline.get_xdata()), max(outline.get_xdata())) == (1.5, 51.5)


def test_uncertainty_stands_beside_the_true_error_with_the_same_colours() -> None:
    rng = np.random.default_rng(0)
    sigma = [size * np.exp(rng.normal(size=(48, 56))).astype(np.float32) for size in (0.01, 0.05)]
    errors = (sigma[0] * rng.normal(size=(48, 56)), sigma[1] * rng.normal(size=(48, 56)))
    sigma[1][10, 10] = errors[0][12, 12] = np.nan
    figure = uncertainty_figure(Uncertainty(*sigma), REGION, errors=errors, pixel_m=10e-9)
    shown = maps(figure)
    for image, due in zip(shown[:4], (sigma[0], np.abs(errors[0]), sigma[1], np.abs(errors[1])), strict=True):
        np.testing.assert_array_equal(image.get_array(), due[INSIDE])
    assert shown[0].get_clim() == shown[1].get_clim() == (0, percentile_limits(sigma[0][INSIDE])[1])
    curves = [axes.lines[-1] for axes in figure.axes if axes.get_ylabel() == "root mean square error"]
    for curve in curves:
        # 166 errors a class.
        np.testing.assert_allclose(curve.get_ydata(), curve.get_xdata(), rtol=0.3)
    assert len(curves) == 2
    assert min(decoded_size(figure)) > 200


def test_uncertainty_without_truth_is_two_maps() -> None:
    figure = uncertainty_figure(Uncertainty(*[np.full((48, 56), value, np.float32) for value in (0.1, np.nan)]), REGION)
    assert len(maps(figure)) == 2
    assert min(decoded_size(figure)) > 100


def test_comparison_has_a_column_for_each_and_one_scale_for_the_errors() -> None:
    truth = specimen()
    figure = comparison_figure({"a": truth * 1.1, "b": truth * 1.4, "c": truth}, truth, REGION)
    assert len(maps(figure)) == 2 * (4 + 3)
    errors = maps(figure)[4:7]
    assert len({image.get_clim() for image in errors}) == 1
    assert decoded_size(figure)[0] > 300


@pytest.mark.parametrize(
    "obj", [np.zeros((48, 56), complex), np.full((48, 56), 0.3 + 0.1j), np.full((48, 56), np.nan + 0j)]
)
def test_degenerate_objects_can_still_be_drawn(obj: NDArray[np.complex128]) -> None:
    assert decoded_size(reconstruction_figure(obj, REGION))[0] > 100
    assert decoded_size(reconstruction_figure(obj, REGION, truth=specimen()))[0] > 100


def test_training_figure_draws_what_is_known() -> None:
    history = [report(1), report(2, training_loss=float("nan")), report(3, validation_loss=None, collapsed=True)]
    figure = training_figure(history)
    losses = figure.axes[0]
    assert losses.get_yscale() == "log"
    assert [list(line.get_xdata()) for line in losses.lines] == [[1, 3], [1, 2]]
    assert [text.get_text() for text in losses.get_legend().get_texts()] == [
        "training", "validation", "predictions collapsed",
    ]  # fmt: skip


@pytest.mark.parametrize("history", [[], [report(1)], [report(1, training_loss=-2.0, gradient_norm=0.0)]])
def test_short_and_negative_histories_can_be_drawn(history: list[EpochReport]) -> None:
    assert decoded_size(training_figure(history))[0] > 100


def test_frc_figure_marks_the_crossing() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(size=(64, 64))
    blurred_noise = gaussian_filter(image, 1) + 0.1 * rng.normal(size=(64, 64))
    curve = fourier_ring_correlation(image, blurred_noise)
    figure = frc_figure({"Amplitude": {"net": curve, "itself": fourier_ring_correlation(image, image)}, "Phase": {}})
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [float(dot.get_xdata()[0]) for dot in dots] == [curve.frc50]
    assert "at least 0.5" in figure.axes[0].get_legend().get_texts()[1].get_text()
    assert decoded_size(figure)[0] > 100


def test_diffraction_figure_shows_counts_on_one_scale() -> None:
    rng = np.random.default_rng(0)
    measured = np.sqrt(rng.poisson(20, (3, 16, 16)))
    examples = [DiffractionExample(f"pattern {i}", pattern, pattern + 0.1) for i, pattern in enumerate(measured)]
    figure = diffraction_figure(examples)
    images = maps(figure)
    np.testing.assert_allclose(images[0].get_array(), measured[0] ** 2)
    assert len({image.get_clim() for image in images[:6]}) == 1
    np.testing.assert_allclose(images[6].get_array(), 0.1)
    with pytest.raises(ValueError, match="at least one"):
        diffraction_figure([])


def test_empty_pattern_can_be_drawn() -> None:
    empty = np.zeros((16, 16))
    assert decoded_size(diffraction_figure([DiffractionExample("dark", empty, empty)]))[0] > 100


def test_drawing_leaves_global_state_alone_and_repeats_itself() -> None:
    before = dict(mpl.rcParams)
    first, second = (png(reconstruction_figure(specimen(), REGION), dpi=50) for _ in range(2))
    assert first == second
    assert dict(mpl.rcParams) == before
