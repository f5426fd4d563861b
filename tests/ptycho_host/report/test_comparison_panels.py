"""The pictures of the panels hold the maps pixel by pixel, in the colours that the bars show."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from ptycho_host.metrics.comparison import ComparedScan, Comparison, Judgement, ranked
from ptycho_host.metrics.region import Region
from ptycho_host.report import comparison_panels
from ptycho_host.report.comparison_panels import Panels, panels_of
from ptycho_host.report.style import CYCLIC_PHASE_MAP, ERROR_MAP, PHASE_MAP, percentile_limits

REGION = Region((2, 26), (4, 40))


def specimen() -> NDArray[np.complex64]:
    rows, columns = np.indices((30, 44))
    obj: NDArray[np.complex64] = ((1 + 0.2 * np.sin(rows / 3)) * np.exp(0.5j * np.cos(columns / 4))).astype(
        np.complex64
    )
    return obj


def panels(*objects: NDArray[np.complex64], truth: NDArray[np.complex64] | None) -> Panels:
    judged = {
        f"method {number}": [Judgement(f"runs/{number}", 0, 0, {"phase": {"ssim": 1 - number / 10}}, obj)]
        for number, obj in enumerate(objects)
    }
    rows, criterion = ranked(judged)
    return panels_of(Comparison(rows, criterion, (ComparedScan("lines", "simulated", REGION, truth),)))


def pixels(source: str) -> NDArray[np.uint8]:
    """(h, w, 4), red, green, blue, opacity."""
    image = Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))
    return np.asarray(image.convert("RGBA"))


def test_the_picture_is_the_map_in_the_colours_and_limits_of_the_truth() -> None:
    truth = specimen()
    found = panels(truth * np.complex64(np.exp(0.1j)), truth=truth)
    assert [panel.title for panel in found.panels] == ["Truth", "method 0"]
    assert (found.shape, found.factor) == ((24, 36), 1)
    shown = pixels(found.panels[1].pictures["phase"])
    phase = np.angle(truth[REGION.slices])
    low, high = percentile_limits(phase - np.angle(np.mean(np.exp(1j * phase))))
    expected = colormaps[PHASE_MAP](np.clip((phase + 0.1 - phase.mean() - low) / (high - low), 0, 1))
    # 255 colours, and a mean phase that is not exactly the phase of the mean.
    np.testing.assert_allclose(shown[..., :3] / 255, expected[..., :3], atol=0.03)
    assert (shown[..., 3] == 255).all()


def test_errors_are_white_at_zero_and_the_truth_has_none() -> None:
    truth = specimen()
    found = panels(truth, truth * np.complex64(1.5), truth=truth)
    assert set(found.panels[0].pictures) == {"amplitude", "phase"}
    right, wrong = (pixels(panel.pictures["amplitude-error"]) for panel in found.panels[1:])
    white = colormaps[ERROR_MAP](0.5)[:3]
    np.testing.assert_allclose(right[..., :3] / 255, np.broadcast_to(white, (*right.shape[:2], 3)), atol=0.01)
    assert wrong[..., 2].mean() < wrong[..., 0].mean(), "too bright is red"


def test_holes_are_transparent() -> None:
    truth = specimen()
    spoilt = truth.copy()
    spoilt[10, 20] = np.nan
    opacity = pixels(panels(spoilt, truth=truth).panels[1].pictures["amplitude"])[..., 3]
    assert opacity[10 - 2, 20 - 4] == 0
    assert np.count_nonzero(opacity == 0) == 1


def test_the_bar_runs_through_all_colours_and_its_ticks_stand_at_their_values() -> None:
    truth = specimen()
    view = next(view for view in panels(truth, truth=truth).views if view.key == "phase")
    bar = pixels(view.bar)[0, :, :3] / 255
    np.testing.assert_allclose(bar, colormaps[PHASE_MAP](np.linspace(0, 1, len(bar)))[:, :3], atol=0.01)
    places, values = zip(*((place, float(text.replace("−", "-"))) for place, text in view.ticks), strict=True)
    phase = np.angle(truth[REGION.slices])
    low, high = percentile_limits(phase - np.angle(np.mean(truth[REGION.slices])))
    assert view.unit == "rad"
    np.testing.assert_allclose(low + (high - low) * np.array(places) / 100, values, atol=0.01)


def test_large_maps_are_averaged_down_and_wrapped_phases_around_the_circle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison_panels, "MOST_PIXELS", 24 * 36 * 2)
    # Pairs of columns about these phases, whose mean is 0; those about pi lie on both sides of the cut.
    phases = np.array([0.0] * 14 + [2.4, -2.4, np.pi, np.pi])
    columns = np.pad(np.repeat(phases, 2) + 0.3 * (-1.0) ** np.arange(36), (4, 4))
    winding = (np.exp(1j * columns) * np.ones((30, 1))).astype(np.complex64)
    found = panels(winding, truth=winding)
    assert found.factor == 2
    shown = pixels(found.panels[1].pictures["phase"])
    assert shown.shape[:2] == (12, 18)
    expected = colormaps[CYCLIC_PHASE_MAP]((phases + np.pi) / (2 * np.pi))[:, :3]
    np.testing.assert_allclose(shown[0, :, :3] / 255, expected, atol=0.03)


def test_without_a_truth_there_are_no_errors() -> None:
    found = panels(specimen(), truth=None)
    assert [view.key for view in found.views] == ["amplitude", "phase"]
    assert [panel.title for panel in found.panels] == ["method 0"]
