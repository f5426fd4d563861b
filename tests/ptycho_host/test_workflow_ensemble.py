"""Several runs together: their mean object, and what it is worth."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ptycho_host import Host, Reconstruction, Run, simulate, train, write_scan
from ptycho_host.errors import InputError
from ptycho_host.metrics.uncertainty import stitched_uncertainty
from ptycho_host.testing.scans import simulated_scan
from ptycho_host.workflows.ensemble import assemble_ensemble, ensemble_mean
from ptycho_host.workflows.reconstruct import reconstruct_to_file

SCAN = simulated_scan()
SHAPE = SCAN.canvas_shape()


def member(obj: np.ndarray, coverage: float = 1.0, notes: tuple[str, ...] = ()) -> Reconstruction:
    return Reconstruction(obj.astype(np.complex64), np.full(SHAPE, coverage, np.float32), notes)


def test_members_are_laid_on_the_first_one_before_their_mean_is_taken() -> None:
    rng, truth = np.random.default_rng(0), SCAN.truth
    assert truth is not None
    noisy = [truth * (1 + 0.02 * rng.normal(size=SHAPE)) for _ in range(3)]
    turned = [obj * factor for obj, factor in zip(noisy, (1, 1.4 * np.exp(2j), 0.7 * np.exp(-1j)), strict=True)]
    found = ensemble_mean([member(turned[0], 1.0, ("a",)), member(turned[1], 0.4, ("a", "b")), member(turned[2])], SCAN)
    # The constants of 2,304 pixels with errors of 2 % are found to 0.04 %.
    np.testing.assert_allclose(found.object, np.mean(noisy, axis=0), atol=2e-3)
    assert found.notes == ("a", "b")
    assert found.coverage[0, 0] == pytest.approx(0.8)
    assert (found.object.dtype, found.coverage.dtype) == (np.complex64, np.float32)
    assert found.uncertainty is not None
    assert (found.uncertainty.amplitude.dtype, found.uncertainty.phase.dtype) == (np.float32, np.float32)


OPTIONS: dict[str, Any] = {"size": 64, "pixels": 32, "photons": 1e9, "scan": {"step": 8}}
SETTINGS: dict[str, Any] = {
    "simulator": {"name": "lines", **OPTIONS},
    "generator": {"name": "stable_hybrid", "width": 8, "modes": 4, "blocks": 2},
    "engine": {"device": "cpu", "threads": 1},
    "train": {"epochs": 1, "batch_size": 16},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two seeds, and the first one once more under another name."""
    folder, host = tmp_path_factory.mktemp("runs"), Host.discover()
    made = [train({**SETTINGS, "seed": seed}, out=folder / f"seed{seed}", host=host) for seed in (0, 1)]
    shutil.copytree(made[0].path, folder / "again")
    return [*made, Run.open(folder / "again", host=host)]


@pytest.mark.parametrize(("name", "stated"), [("stable_hybrid", None), ("unrolled", (0.4, 1.0))])
def test_a_network_is_as_sure_as_its_descriptor_says(
    runs: list[Run], tmp_path: Path, name: str, stated: tuple[float, float] | None
) -> None:
    scan, generator = simulate("lines", OPTIONS, seed=7), {**SETTINGS["generator"], "name": name}
    run = runs[0] if name == "stable_hybrid" else train({**SETTINGS, "generator": generator}, out=tmp_path / "run")
    found = run.reconstruct(scan)
    expected, careful = stitched_uncertainty(found, scan, stated), stitched_uncertainty(found, scan)
    assert found.uncertainty is not None
    assert expected is not None
    assert careful is not None
    np.testing.assert_array_equal(found.uncertainty.phase, expected.phase)
    assert (np.nanmedian(expected.phase / careful.phase) < 0.9) == (stated is not None)


def test_networks_that_agree_are_as_sure_as_one_and_others_less(runs: list[Run]) -> None:
    scan = simulate("lines", OPTIONS, seed=7)
    alone, together = runs[0].reconstruct(scan), assemble_ensemble([runs[0], runs[2]], scan)
    np.testing.assert_allclose(together.reconstruction.object, alone.object, atol=1e-5)
    assert together.predict_seconds > 0
    assert alone.uncertainty is not None
    assert together.reconstruction.uncertainty is not None
    for name in ("amplitude", "phase"):
        own, both = getattr(alone.uncertainty, name), getattr(together.reconstruction.uncertainty, name)
        known = np.isfinite(own) & np.isfinite(both)
        assert known.mean() > 0.3
        np.testing.assert_allclose(both[known], own[known], rtol=1e-3)
    differing = assemble_ensemble(runs[:2], scan).reconstruction.uncertainty
    assert differing is not None
    others = runs[1].reconstruct(scan).uncertainty
    assert others is not None
    mean = np.sqrt((alone.uncertainty.phase**2 + others.phase**2) / 2)
    lit = alone.coverage > 0.3
    assert np.nanmedian(differing.phase[lit] / mean[lit]) > 1.0001


def test_the_command_writes_the_mean_of_all_runs(
    runs: list[Run], ptycho: Callable[..., Any], refused: Callable[..., str], tmp_path: Path
) -> None:
    host = runs[0].host
    scan = simulate("lines", OPTIONS, seed=7, host=host)
    write_scan(scan, tmp_path / "scan.npz", host=host)
    both = ("reconstruct", runs[0].path, "scan.npz", "--ensemble", runs[1].path)
    outcome = ptycho(*both, "--out", "o.h5")
    assert outcome.code == 0, outcome.err
    due = reconstruct_to_file(runs[0], tmp_path / "scan.npz", None, ensemble=[runs[1]])
    assert due is not None
    assert due.reconstruction.uncertainty is not None
    with h5py.File(tmp_path / "o.h5") as file:
        np.testing.assert_array_equal(file["object"][0], due.reconstruction.object)
        np.testing.assert_array_equal(file["object_phase_uncertainty"][()], due.reconstruction.uncertainty.phase)
    (tmp_path / "o.h5").unlink()
    assert "was named twice; an ensemble needs" in refused(*both, "--ensemble", runs[1].path)
    assert "name the run" in refused(
        "reconstruct", "--data", "scan.npz", "--refine", "rpie", "--ensemble", runs[1].path
    )


def test_an_ensemble_of_one_run_is_that_run(runs: list[Run]) -> None:
    scan = simulate("lines", OPTIONS, seed=7)
    np.testing.assert_array_equal(
        assemble_ensemble(runs[:1], scan).reconstruction.object, runs[0].reconstruct(scan).object
    )
    with pytest.raises(InputError, match="named twice"):
        assemble_ensemble([runs[0], runs[0]], scan)
