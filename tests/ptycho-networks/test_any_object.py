"""`any_object` on samples and a probe that it never saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ptycho_host import Host, Run, load_scan, simulate
from ptycho_host.config import ComponentChoice
from ptycho_host.configured import ConfiguredComponent
from ptycho_host.data.scan import Scan
from ptycho_host.report.progress import SilentProgress
from ptycho_host.testing.running import Outcome
from ptycho_host.workflows.evaluation import evaluate
from ptycho_host.workflows.refine import configure_refiner, refined

pytest.importorskip("torch")

ON_ONE_THREAD = ["engine.device=cpu", "engine.threads=1"]


def judged(scan: Scan, iterations: int, host: Host) -> dict[str, Any]:
    run = Run.open("any_object", host=host, settings=[*ON_ONE_THREAD, f"generator.iterations={iterations}"])
    return evaluate(run.assemble(scan), scan).metrics.as_json()


def test_its_name_is_enough_and_the_product_lies_where_the_user_is(
    ptycho: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = ptycho("reconstruct", "any_object", "siemens_star", "--set", "generator.iterations=1")
    assert outcome.code == 0, outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["siemens_star-any_object.h5"]


def test_a_name_that_is_nearly_right_is_offered(ptycho: Callable[..., Outcome]) -> None:
    outcome = ptycho("reconstruct", "any_objekt", "siemens_star")
    assert outcome.code == 2
    assert "any_objekt is not a run directory" in outcome.err
    assert "Did you mean 'any_object'?" in outcome.err


@pytest.mark.slow
def test_measured_patterns_under_another_probe_are_explained() -> None:
    host = Host.discover()
    scan = load_scan("siemens_star", host=host)
    # Of the whole scan the rPIE object in its file explains 0.9960; this is the part that the package holds.
    assert judged(scan, 24, host)["diffraction"]["correlation"] > 0.995


@pytest.mark.slow
@pytest.mark.parametrize(("step", "size"), [(8, 144), (16, 192)])
def test_photographs_are_reconstructed_better_than_by_as_many_epochs_of_a_refiner(step: int, size: int) -> None:
    """The network was trained at a step of 16 px, and on no photographs."""
    host = Host.discover()
    scan = simulate("image", {"size": size, "pixels": 64, "scan": {"step": step}}, seed=0, host=host)
    assert_ahead_of_refiner(scan, host)


@pytest.mark.slow
def test_patterns_may_have_another_size() -> None:
    """The probe of its training, on a detector of twice as many pixels a side."""
    host = Host.discover()
    probe = {"diameter": 32, "curvature": 0.02}
    options = {"size": 224, "pixels": 128, "scan": {"step": 16}, "probe": probe}
    assert_ahead_of_refiner(simulate("image", options, seed=0, host=host), host)


@pytest.mark.slow
@pytest.mark.parametrize("width", [2, 3])
def test_a_wider_probe_is_looked_at_on_coarser_pixels(width: int) -> None:
    """A few epochs of the refiner then find what is finer: together they take less time than ten epochs of it alone."""
    host = Host.discover()
    probe = {"diameter": 32 * width, "curvature": 0.02 / width**2}
    options = {"size": 328 + 64 * width, "pixels": 64 * width, "scan": {"step": 16 * width}, "probe": probe}
    scan = simulate("image", options, seed=0, host=host)
    assembly = Run.open("any_object", host=host, settings=ON_ONE_THREAD).assemble(scan)
    (note,) = assembly.reconstruction.notes
    assert f"the network worked on pixels {width}.0 times as large" in note
    together = evaluate(refined(scan, lsq_ml(5, host), assembly.reconstruction, SilentProgress()), scan)
    alone = evaluate(refined(scan, lsq_ml(10, host), None, SilentProgress()), scan)
    found, other = together.metrics.as_json(), alone.metrics.as_json()
    assert 1 - found["amplitude"]["ssim"] < 0.5 * (1 - other["amplitude"]["ssim"])
    assert 1 - found["phase"]["ssim"] < 0.2 * (1 - other["phase"]["ssim"])


def test_a_refiner_goes_on_from_coarser_pixels_where_no_object_is_known() -> None:
    """Nor does the network look at all patterns: the object is still that of the whole scan."""
    host = Host.discover()
    wide = {"diameter": 64, "curvature": 0.005}
    options = {"size": 200, "pixels": 128, "scan": {"step": 12}, "probe": wide}
    scan = replace(simulate("image", options, host=host), truth=None)
    run = Run.open("any_object", host=host, settings=[*ON_ONE_THREAD, "generator.iterations=1"])
    refiner = ComponentChoice(name="lsq_ml", options={"epochs": 1, "threads": 1, "device": "cpu"})
    result = run.assemble(scan, refiner=refiner).reconstruction
    assert result.object.shape == scan.canvas_shape()
    assert any("times as large" in note for note in result.notes)
    assert any("of 49 patterns, the refiner at all" in note for note in result.notes)


def assert_ahead_of_refiner(scan: Scan, host: Host) -> None:
    network = judged(scan, 12, host)
    alone = evaluate(refined(scan, lsq_ml(12, host), None, SilentProgress()), scan).metrics.as_json()
    for part in ("amplitude", "phase"):
        assert 1 - network[part]["ssim"] < 0.7 * (1 - alone[part]["ssim"]), part


def lsq_ml(epochs: int, host: Host) -> ConfiguredComponent:
    return configure_refiner(host, {"name": "lsq_ml", "epochs": epochs, "threads": 1, "device": "cpu"})
