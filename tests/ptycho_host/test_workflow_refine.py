"""Refiners at work: after a network, instead of one, from the command line and from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ptycho_host import Host, Run, load_scan, refine, simulate, train, write_scan
from ptycho_host.contracts import Reconstruction
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError
from ptycho_host.metrics.diffraction import diffraction_agreement
from ptycho_host.report.progress import SilentProgress
from ptycho_host.workflows.refine import uniform_object
from ptycho_host.workflows.refinement_start import refined_from

pytest.importorskip("ptycho_iterative")

SIMULATOR = {"size": 96, "pixels": 32, "photons": 1e7, "scan": {"step": 8}}
REFINED = {
    "seed": 5,
    "simulator": {"name": "lines", **SIMULATOR},
    "generator": {"name": "stable_hybrid", "width": 8, "modes": 4, "blocks": 2},
    "refiner": {"name": "rpie", "epochs": 2},
    "engine": {"device": "cpu", "threads": 1},
    "train": {"epochs": 1, "batch_size": 16},
}


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.discover()


@pytest.fixture(scope="module")
def scan(host: Host) -> Scan:
    return simulate("lines", SIMULATOR, seed=5, host=host)


@pytest.fixture(scope="module")
def run(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(REFINED, out=tmp_path_factory.mktemp("runs") / "run", host=host)


@pytest.fixture
def scan_file(scan: Scan, host: Host, tmp_path: Path) -> Path:
    write_scan(scan, tmp_path / "scan.npz", host=host)
    return tmp_path / "scan.npz"


def stored(path: Path, name: str) -> np.ndarray:
    with h5py.File(path) as file:
        values: np.ndarray = file[name][()]
    return values


# --- without a run -----------------------------------------------------------------------------------------------


def test_the_uniform_object_explains_the_energy_of_the_patterns(scan: Scan) -> None:
    start = uniform_object(scan)
    measured = np.sum(scan.batch(slice(None)).astype(np.float64) ** 2) / scan.count
    predicted = np.sum(np.abs(start.object[0, 0] * scan.probe.astype(np.complex128)) ** 2)
    assert predicted == pytest.approx(measured, rel=1e-5)
    assert np.all(start.object == start.object[0, 0])
    assert (start.coverage.min(), start.coverage.max()) == (pytest.approx(0, abs=1e-2), 1)


def test_no_refiner_begins_with_an_opaque_frame(scan: Scan) -> None:
    width = scan.canvas_shape()[1]
    whole = np.exp(1j * np.linspace(0, 1, width))[None].repeat(scan.canvas_shape()[0], axis=0).astype(np.complex64)
    stitched = whole.copy()
    stitched[:, :20] = 0  # no patch contributed there
    start = Reconstruction(stitched, np.abs(stitched))
    seen = refined_from(lambda _scan, given, _progress: given, scan, start, SilentProgress())
    np.testing.assert_array_equal(seen.object, whole[:, np.maximum(np.arange(width), 20)])
    assert np.all(start.object[:, :20] == 0), "the caller's object stays as it was"


def test_before_a_refiner_a_network_looks_at_as_many_patterns_as_cover_the_object(run: Run, host: Host) -> None:
    dense = simulate("lines", SIMULATOR | {"scan": {"step": 3}}, seed=5, host=host)
    thinned, whole = (run.assemble(dense, refiner=refiner).reconstruction for refiner in ("epie", False))
    # A probe of 16 px: 22 positions a side, 7 points of the lattice on 63 px.
    assert thinned.notes[-1] == "the network looked at 49 of 484 patterns, the refiner at all"
    assert not whole.notes
    # The rim that only left-out patterns light is refined too.
    assert diffraction_agreement(thinned.object, dense).residual < diffraction_agreement(whole.object, dense).residual


def test_the_command_needs_no_run(scan_file: Path, ptycho: Any, refused: Any, scan: Scan, tmp_path: Path) -> None:
    arguments = ("reconstruct", "--data", "scan.npz", "--refine", "rpie", "--refine-epochs", "4")
    outcome = ptycho(*arguments)
    assert outcome.code == 0
    assert "object  scan-rpie.h5" in outcome.out
    rows = dict(line.rsplit(maxsplit=1) for line in outcome.out.splitlines() if line.startswith("Refinement"))
    assert rows["Refinement epochs"] == "4"
    losses = stored(tmp_path / "scan-rpie.h5", "loss_values")
    assert len(losses) == 4
    assert float(rows["Refinement last residual"]) == pytest.approx(losses[-1], rel=1e-2)
    expected = refine(load_scan(scan_file), {"name": "rpie", "epochs": 4}).object
    np.testing.assert_array_equal(stored(tmp_path / "scan-rpie.h5", "object")[0], expected)
    before, after = (diffraction_agreement(obj, scan).residual for obj in (uniform_object(scan).object, expected))
    assert before is not None
    assert after is not None
    assert after < before / 10
    assert "scan-rpie.h5 exists" in refused(*arguments)


def test_options_of_the_refiner_come_by_set(scan_file: Path, ptycho: Any, scan: Scan, tmp_path: Path) -> None:
    settings = ("--set", "refiner.name=epie", "--set", "refiner.epochs=2", "--set", "refiner.probe=free")
    assert ptycho("reconstruct", "--data", "scan.npz", *settings, "--out", "o.h5").code == 0
    assert len(stored(tmp_path / "o.h5", "loss_values")) == 2
    probe = stored(tmp_path / "o.h5", "probe")[0, 0]
    assert np.linalg.norm(probe) == pytest.approx(np.linalg.norm(scan.probe), rel=1e-5)
    assert np.linalg.norm(probe - scan.probe) > 1e-4 * np.linalg.norm(scan.probe)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name the scan: ptycho reconstruct RUN DATA, or without a run"),
        (["siemens_star", "--refine", "rpie"], "name the scan: ptycho reconstruct RUN DATA, or without a run"),
        (["run", "siemens_star", "--data", "siemens_star"], "the scan was named twice"),
        (["--data", "siemens_star"], "without a run a refiner must do the work; name it with --refine"),
        (["--data", "siemens_star", "--refine-epochs", "3"], "without a run a refiner must do the work"),
        (["--data", "siemens_star", "--refine", "rpi"], "no refiner named 'rpi' is installed. Did you mean 'rpie'?"),
        (["--data", "siemens_star", "--refine", "rpie", "--stitch", "grid"], "there is nothing to stitch"),
        (["--data", "siemens_star", "--refine", "rpie", "--no-refine"], "--no-refine and --refine exclude each other"),
        (["--data", "siemens_star", "--refine", "rpie", "--refine-epochs", "0"], "option 'epochs' of refiner 'rpie'"),
        (["--data", "siemens_star", "--refine", "rpie", "--set", "train.epochs=1"], "only options of the refiner"),
        (["--data", "siemens_star", "--refine", "rpie", "--out", "o.npz"], "choose a name that ends in .h5"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], sentence: str, refused: Any) -> None:
    assert sentence in refused("reconstruct", *arguments)


def test_options_without_a_refiner_are_refused_by_train(refused: Any) -> None:
    assert "error: no refiner was named. Installed: 'epie'" in refused("train", "--refine-epochs", "3", "--dry-run")


def test_an_object_of_another_scan_is_no_start(scan: Scan) -> None:
    start = Reconstruction(np.ones((50, 60), np.complex64), np.ones((50, 60), np.float32))
    with pytest.raises(InputError, match=r"the object to start from has 50 x 60 pixels, scan 'lines' lies on 96 x 96"):
        refine(scan, "rpie", start=start)


# --- after a network -----------------------------------------------------------------------------------------------


def test_a_run_with_a_refiner_says_how_it_went(run: Run) -> None:
    block = run.metrics["refinement"]
    assert block["epochs"] == len(block["history"]) == 2
    assert block["last_residual"] == block["history"][1]["residual"] < block["first_residual"]
    assert 0 < block["seconds"] < run.metrics["reconstruction"]["seconds"]
    assert run.config.refiner is not None
    assert run.config.refiner.options["epochs"] == 2
    assert "last residual" in run.directory.report.read_text(encoding="utf-8")


def test_a_run_reconstructs_with_its_refiner_unless_told_otherwise(run: Run, scan: Scan) -> None:
    as_trained, plain = run.reconstruct(scan), run.reconstruct(scan, refiner=False)
    np.testing.assert_array_equal(as_trained.object, stored(run.directory.reconstruction, "object")[0])
    assert (len(as_trained.refinement), plain.refinement) == (2, ())
    # A refined object is no longer what the patches said, so their spread does not tell how sure it is.
    assert (plain.uncertainty is None, as_trained.uncertainty, as_trained.spread) == (False, None, None)
    by_hand = refine(scan, {"name": "rpie", "epochs": 2}, start=plain)
    assert (by_hand.uncertainty, by_hand.spread) == (None, None)
    np.testing.assert_array_equal(by_hand.object, as_trained.object)
    assert len(run.reconstruct(scan, refiner="lsq_ml").refinement) == 10


def test_the_command_chooses_the_refiner_of_a_run(run: Run, scan_file: Path, ptycho: Any, tmp_path: Path) -> None:
    def objects(*arguments: str) -> tuple[np.ndarray, str]:
        outcome = ptycho("reconstruct", run.path, "scan.npz", "--out", "o.h5", "--force", *arguments)
        assert outcome.code == 0, outcome.err
        return stored(tmp_path / "o.h5", "object")[0], outcome.out

    own, text = objects()
    assert "Refinement epochs" in text
    np.testing.assert_array_equal(own, run.reconstruct(load_scan(scan_file)).object)
    plain, text = objects("--no-refine")
    assert "Refinement" not in text
    other, text = objects("--refine", "epie", "--refine-epochs", "3")
    assert ["Refinement", "epochs", "3"] in [line.split() for line in text.splitlines()]
    assert not np.array_equal(own, plain)
    assert not np.array_equal(own, other)
