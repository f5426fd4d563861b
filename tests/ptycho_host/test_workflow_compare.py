"""Small real runs and files judged alike: the figures are those of the runs, and what does not belong is refused."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ptycho_host import Host, compare, native, refine, simulate, train, write_scan
from ptycho_host.contracts import Reconstruction
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError
from ptycho_host.metrics.alignment import shifted
from ptycho_host.metrics.diffraction import diffraction_agreement
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.patches import extract_patches
from ptycho_host.runs.product import read_product, write_product
from ptycho_host.workflows.evaluation import as_refined

pytest.importorskip("torch")

SIMULATOR = {"size": 96, "pixels": 32, "photons": 1e7, "scan": {"step": 8}}
NET = {"name": "stable_hybrid", "width": 8, "modes": 4, "blocks": 1}
SETTINGS = {
    "simulator": {"name": "lines", **SIMULATOR},
    "clip": "agc",
    "engine": {"device": "cpu", "threads": 1},
    "train": {"epochs": 1},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """`net-0`, `net-1` (the same under another seed), `fno-0` (another generator)."""
    folder, host = tmp_path_factory.mktemp("runs"), Host.discover()
    for seed in (0, 1):
        train({**SETTINGS, "seed": seed, "generator": NET}, out=folder / f"net-{seed}", host=host)
    fno = {"name": "fno", "width": 8, "modes": 4, "blocks": 1}
    train({**SETTINGS, "generator": fno, "clip": "norm"}, out=folder / "fno-0", host=host)
    return folder


@pytest.fixture(scope="module")
def scan() -> Scan:
    return simulate("lines", SIMULATOR, seed=0)


@pytest.fixture
def copied(runs, tmp_path):
    """A copy of a run to spoil."""

    def copy(name: str, new: str = "copy") -> Path:
        return Path(shutil.copytree(runs / name, tmp_path / new))

    return copy


def stored(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text())


def row_of(comparison, name):
    (row,) = [row for row in comparison.rows if row.name.startswith(name)]
    return row


# --- the figures -----------------------------------------------------------------------------------------------


def test_the_scan_of_a_run_is_simulated_again_and_gives_the_same_figures(runs):
    comparison = compare([runs / "net-0", runs / "fno-0"])
    for name in ("net-0", "fno-0"):
        ours = row_of(comparison, {"net-0": "stable_hybrid", "fno-0": "fno"}[name]).judgements[0].metrics
        theirs = stored(runs / name)
        for block in ("region", "amplitude", "phase", "alignment", "training", "reconstruction"):
            assert theirs[block].items() <= ours[block].items(), block
        # Blind to the amplitude scale, which is fitted here: single precision remains.
        assert ours["diffraction"]["correlation"] == pytest.approx(theirs["diffraction"]["correlation"], rel=1e-6)
        assert ours["diffraction"]["residual"] <= theirs["diffraction"]["residual"] * (1 + 1e-3)
        assert ours["training"]["parameters"] > 1000
    assert [scan.origin for scan in comparison.scans] == ["simulated: lines, seed 0"]
    assert comparison.path is None


def test_rows_come_in_the_order_of_their_phase(runs):
    comparison = compare([runs / "fno-0", runs / "net-0"])
    values = [row.scores["phase"]["ssim"].mean for row in comparison.rows]
    assert values == sorted(values, reverse=True)
    assert [row.rank for row in comparison.rows] == [1, 2]
    assert comparison.criterion is not None
    assert (comparison.criterion.block, comparison.criterion.key) == ("phase", "ssim")
    assert {row.name for row in comparison.rows} == {"stable_hybrid (agc)", "fno (norm)"}


def test_seeds_are_one_row_each_run_judged_by_its_own_scan(runs):
    comparison = compare([runs / "net-0", runs / "fno-0", runs / "net-1"])
    row = row_of(comparison, "stable_hybrid")
    first, second = (stored(runs / f"net-{seed}")["phase"]["ssim"] for seed in (0, 1))
    assert row.scores["phase"]["ssim"].mean == pytest.approx((first + second) / 2, rel=1e-9)
    assert row.scores["phase"]["ssim"].spread == pytest.approx(abs(first - second) / 2**0.5, rel=1e-9)
    assert [judgement.seed for judgement in row.judgements] == [0, 1]
    assert len(comparison.scans) == 2
    assert any("each run is judged by that of its own seed" in note for note in comparison.notes)
    assert any("not quite comparable: fno" in note for note in comparison.notes)
    assert set(comparison.examples()) == {"stable_hybrid (agc)", "fno (norm)"}


def test_the_same_object_from_a_file_gets_the_same_figures(runs, scan, tmp_path):
    product = read_product(runs / "net-0" / "reconstruction.h5")
    np.savez(tmp_path / "scaled.npz", object=(product.object * 4 * np.exp(1.3j)).astype(np.complex128))
    np.savez(tmp_path / "layer.npz", objectGuess=product.object[np.newaxis])
    comparison = compare(
        [runs / "net-0", runs / "net-0" / "reconstruction.h5", tmp_path / "scaled.npz", tmp_path / "layer.npz"]
    )
    assert comparison.rows[0].rank == 1
    run, *files = (row_of(comparison, name).scores for name in ("stable", "reconstruction.h5", "scaled", "layer"))
    for scores in files:
        for block, key in (("amplitude", "ssim"), ("phase", "mae"), ("diffraction", "residual")):
            # Scale and phase are free; what remains is single precision.
            assert scores[block][key].mean == pytest.approx(run[block][key].mean, rel=1e-4)
        assert "training" not in scores


def test_a_product_on_a_larger_canvas_is_laid_on_the_scans(runs, scan, tmp_path):
    product = read_product(runs / "net-0" / "reconstruction.h5")
    padded = np.pad(product.object, ((7, 12), (3, 0)), constant_values=9)
    wide = Reconstruction(padded, np.ones(padded.shape, np.float32))
    moved = Scan(scan.amplitudes, scan.positions + np.array([7, 3]), scan.probe)
    write_product(tmp_path / "wide.h5", wide, moved, [])
    comparison = compare([runs / "net-0", tmp_path / "wide.h5"])
    run, file = (row_of(comparison, name).scores["phase"]["ssim"].mean for name in ("stable", "wide"))
    assert file == pytest.approx(run, rel=1e-6)


@pytest.mark.parametrize("refined", ["modes", "positions", "both"])
def test_an_object_is_judged_with_the_modes_and_positions_it_was_made_with(scan, tmp_path, refined):
    assert scan.truth is not None
    modes, positions = scan.probe[np.newaxis], scan.positions
    if refined != "positions":
        second = scan.probe * (np.arange(32) - 16)
        second *= np.linalg.norm(scan.probe) / np.linalg.norm(second)
        modes = np.stack([np.sqrt(0.8) * scan.probe, np.sqrt(0.2) * second]).astype(np.complex64)
    if refined != "modes":
        positions = np.clip(positions + np.random.default_rng(3).uniform(-2, 2, positions.shape), 17, 79)
    patches = extract_patches(scan.truth, positions, 32)
    measured = np.linalg.norm([diffraction_amplitude(patches, mode) for mode in modes], axis=0)
    write_scan(replace(scan, amplitudes=measured.astype(np.float32)), tmp_path / "measured.npz")
    # A canvas of its own, five pixels further.
    wide = np.pad(scan.truth, 5)
    made = Reconstruction(wide, np.ones(wide.shape, np.float32), probe=modes[0], further_modes=modes[1:])
    write_product(tmp_path / "made.h5", replace(made, positions=positions + 5), scan, [])
    np.savez(tmp_path / "object.npz", object=scan.truth)
    comparison = compare([tmp_path / "made.h5", tmp_path / "object.npz"], truth=tmp_path / "measured.npz")
    told, untold = (row_of(comparison, name).scores["diffraction"]["residual"].mean for name in ("made", "object"))
    # What is left is single precision; without modes and positions the same object explains less.
    assert told < 1e-8
    assert untold > 1e-4


def test_positions_that_are_not_the_scans_do_not_count(scan, tmp_path):
    assert scan.truth is not None
    write_scan(scan, tmp_path / "scan.npz")
    made = Reconstruction(scan.truth, np.ones(scan.truth.shape, np.float32), positions=scan.positions[::-1])
    write_product(tmp_path / "backwards.h5", made, scan, [])
    np.savez(tmp_path / "object.npz", object=scan.truth)
    comparison = compare([tmp_path / "backwards.h5", tmp_path / "object.npz"], truth=tmp_path / "scan.npz")
    one, other = (row_of(comparison, name).scores["diffraction"]["residual"].mean for name in ("back", "object"))
    assert one == pytest.approx(other, rel=1e-6)


def test_bad_pixels_have_no_part_in_the_scale(scan, tmp_path):
    assert scan.truth is not None
    bad = np.zeros((32, 32), bool)
    bad[14:18, 14:18] = True
    exact = diffraction_amplitude(extract_patches(scan.truth, scan.positions, 32), scan.probe)
    write_scan(replace(scan, amplitudes=exact.astype(np.float32), bad_pixels=bad), tmp_path / "scan.npz")
    np.savez(tmp_path / "object.npz", object=scan.truth)
    comparison = compare([tmp_path / "object.npz"], truth=tmp_path / "scan.npz")
    # Single precision.
    assert comparison.rows[0].scores["diffraction"]["residual"].mean < 1e-10


def test_a_refined_product_gets_the_residual_that_it_was_written_with(scan, tmp_path):
    pytest.importorskip("ptycho_iterative")
    moved = np.clip(scan.positions + np.random.default_rng(3).uniform(-1, 1, scan.positions.shape), 17, 79)
    mistaken = replace(scan, positions=moved)
    write_scan(mistaken, tmp_path / "scan.npz")
    made = refine(mistaken, {"name": "rpie", "epochs": 3, "probe": "free", "modes": 2, "positions": "free"})
    write_product(tmp_path / "made.h5", made, mistaken, [])
    comparison = compare([tmp_path / "made.h5"], truth=tmp_path / "scan.npz")
    expected = diffraction_agreement(made.object, as_refined(mistaken, made), made.further_modes)
    # Blind to the amplitude scale, which is fitted here: single precision remains.
    correlation = row_of(comparison, "made").scores["diffraction"]["correlation"].mean
    assert correlation == pytest.approx(expected.correlation, rel=1e-6)


def test_shift_and_plane_are_taken_out_only_when_asked(runs, scan, tmp_path):
    assert scan.truth is not None
    rows, columns = np.indices(scan.truth.shape)
    spoilt = shifted(scan.truth, (1.5, -0.75)) * np.exp(0.02j * rows - 0.03j * columns)
    np.savez(tmp_path / "spoilt.npz", object=spoilt)

    def phase(**options) -> float:
        comparison = compare([runs / "net-0", tmp_path / "spoilt.npz"], **options)
        return row_of(comparison, "spoilt").scores["phase"]["ssim"].mean

    assert phase() < 0.5
    # Splines of two shifts, and the plane known to a thousandth.
    assert phase(register=True, remove_plane=True) > 0.97
    assert phase(register=True, remove_plane=True) > max(phase(register=True), phase(remove_plane=True))


def test_a_diverged_object_is_null_with_a_reason_and_comes_last(runs, tmp_path):
    np.savez(tmp_path / "nan.npz", object=np.full((96, 96), np.nan, np.complex64))
    comparison = compare([tmp_path / "nan.npz", runs / "net-0"], out=tmp_path / "out")
    last = comparison.rows[-1]
    assert (last.name, last.rank) == ("nan.npz", None)
    content = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert content["rows"][-1]["phase"]["ssim"] == {
        "mean": None, "spread": None, "reason": "the reconstructed phase is not finite",
    }  # fmt: skip


# --- what to judge by ------------------------------------------------------------------------------------------


def test_a_scan_file_an_object_and_a_product_serve_as_truth(runs, scan, tmp_path):
    write_scan(scan, tmp_path / "scan.npz")
    np.savez(tmp_path / "object.npz", object=scan.truth)
    assert scan.truth is not None
    write_product(tmp_path / "truth.h5", Reconstruction(scan.truth, np.ones(scan.truth.shape, np.float32)), scan, [])
    expected = stored(runs / "net-0")
    for truth in ("scan.npz", "object.npz", "truth.h5"):
        comparison = compare([runs / "net-0"], truth=tmp_path / truth)
        metrics = comparison.rows[0].judgements[0].metrics
        # The product's positions tell the region that the scan does, within the rounding of metres.
        assert metrics["region"] == expected["region"], truth
        assert metrics["phase"]["ssim"] == pytest.approx(expected["phase"]["ssim"], rel=1e-6), truth
        assert ("diffraction" in metrics) == (truth == "scan.npz")
        assert any("nothing is said about diffraction" in note for note in comparison.notes) == (truth != "scan.npz")


def test_without_a_true_object_the_patterns_decide(runs, scan, tmp_path):
    write_scan(Scan(scan.amplitudes, scan.positions, scan.probe), tmp_path / "measured.npz")
    comparison = compare([runs / "fno-0", runs / "net-0"], truth=tmp_path / "measured.npz", out=tmp_path / "out")
    residuals = [row.scores["diffraction"]["residual"].mean for row in comparison.rows]
    assert residuals == sorted(residuals)
    assert "amplitude" not in comparison.rows[0].scores
    assert any("judged by its patterns alone" in note for note in comparison.notes)
    assert {path.name for path in (tmp_path / "out" / "figures").iterdir()} == {"amplitude.png", "phase.png"}
    inside = comparison.scans[0].region.slices
    one, two = (judgement.object[inside] for judgement in comparison.examples().values())
    # All objects are shown with the best one's constant phase, to single precision, and on the scale of the probe.
    assert abs(np.angle(np.vdot(one, two))) < 1e-5
    assert np.abs(two).mean() == pytest.approx(np.abs(one).mean(), rel=0.2)


def test_somebodys_reconstruction_is_no_truth_until_it_is_named_as_one(runs, scan, tmp_path):
    write_scan(Scan(scan.amplitudes, scan.positions, scan.probe, reference=scan.truth), tmp_path / "scan.npz")
    comparison = compare([runs / "net-0"], truth=tmp_path / "scan.npz")
    assert comparison.rows[0].scores["phase"]["ssim"].mean is not None
    assert any("a reconstruction by somebody, which is taken for the truth" in note for note in comparison.notes)


def test_runs_of_other_data_than_the_truth_are_told(runs, scan, tmp_path):
    write_scan(scan, tmp_path / "scan.npz")
    comparison = compare([runs / "net-0", runs / "net-1"], truth=tmp_path / "scan.npz")
    assert [note for note in comparison.notes if "not made from the data" in note] == [
        f"{runs / 'net-1'}: not made from the data in {tmp_path / 'scan.npz'}."
    ]
    assert len(comparison.scans) == 1


# --- plugins that are gone -------------------------------------------------------------------------------------


def test_neither_the_generator_nor_its_engine_is_needed(runs):
    simulators = pytest.importorskip("ptycho_simulators.plugin")
    host = Host([native, simulators])
    assert host.registrations("generator") == host.registrations("engine") == []
    assert len(compare([runs / "net-0", runs / "fno-0"], host=host).rows) == 2


def test_without_the_simulator_it_says_how_to_get_it_and_truth_is_the_way_out(runs, scan, tmp_path):
    host = Host([native])
    with pytest.raises(InputError) as caught:
        compare([runs / "net-0"], host=host)
    message = str(caught.value)
    assert f"the scan of {runs / 'net-0'} cannot be had again: no simulator named 'lines' is installed" in message
    assert "run 'pip install ptycho-simulators'" in message
    assert message.endswith("Or name it with --truth FILE.")
    write_scan(scan, tmp_path / "scan.npz")
    assert compare([runs / "net-0"], truth=tmp_path / "scan.npz", host=host).rows[0].rank == 1


def test_without_its_bundle_a_run_only_lacks_its_parameters(copied):
    run = copied("net-0")
    shutil.rmtree(run / "bundle")
    score = compare([run]).rows[0].scores["training"]["parameters"]
    assert score.mean is None
    assert "holds no trained bundle" in score.reason


# --- the command -----------------------------------------------------------------------------------------------


def test_the_command_prints_the_table_and_writes_a_folder_of_its_own(ptycho, runs, tmp_path):
    outcome = ptycho("compare", runs / "net-0", runs / "fno-0")
    assert outcome.code == 0
    (folder,) = (tmp_path / "comparisons").iterdir()
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "comparison.html", "comparison.csv", "comparison.json",
        "figures/amplitude.png", "figures/phase.png", "figures/fourier_ring_correlation.png",
    }  # fmt: skip
    lines = outcome.out.splitlines()
    assert lines[-1] == f"folder  {folder.relative_to(tmp_path)}"
    assert "Ranked by phase SSIM, higher is better" in outcome.out
    table = list(csv.DictReader((folder / "comparison.csv").read_text().splitlines()))
    content = json.loads((folder / "comparison.json").read_text())
    assert [row["name"] for row in table] == [row["name"] for row in content["rows"]]
    assert all(any(row["name"] in line for line in lines) for row in table)
    assert content["environment"]["distributions"]["ptycho-host"]

    assert ptycho("compare", runs / "net-0").code == 0
    assert len(list((tmp_path / "comparisons").iterdir())) == 2, "an earlier comparison is never replaced"


def test_json_for_programs_is_all_of_standard_output(ptycho, runs, tmp_path):
    outcome = ptycho("compare", runs / "net-0", "--json", "--out", "out")
    assert json.loads(outcome.out) == json.loads((tmp_path / "out" / "comparison.json").read_text())


def test_the_page_holds_its_pictures(ptycho, runs, tmp_path):
    ptycho("compare", runs / "net-0", runs / "fno-0", "--out", "out")
    page = (tmp_path / "out" / "comparison.html").read_text()
    # Four colour bars, two maps of the truth, four of each object, and the curves.
    assert page.count("data:image/png;base64,") == 4 + 2 + 2 * 4 + 1
    assert '<script type="application/json" id="comparison">' in page


# --- what is refused -------------------------------------------------------------------------------------------


def test_sources_that_are_none(refused, tmp_path):
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "folder").mkdir()
    np.savez(tmp_path / "real.npz", object=np.ones((4, 4)))
    np.savez(tmp_path / "none.npz", x=np.ones(3))
    np.savez(tmp_path / "pickle.npz", object=np.array([{}], dtype=object))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "real.npz").read_bytes()[:100])
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    assert "there is no run or file 'nothing'" in refused("compare", "nothing")
    assert "folder is not a run directory (it has no config.toml)" in refused("compare", "folder")
    assert "text.txt is no reconstruction: give a run directory" in refused("compare", "text.txt")
    assert "cut.npz is no reconstruction" in refused("compare", "cut.npz")
    assert "object is float64 of shape (4, 4); it must be complex" in refused("compare", "real.npz")
    assert "none.npz holds no 'object' or 'objectGuess' (it holds 'x')" in refused("compare", "none.npz")
    assert "object holds pickled Python objects" in refused("compare", "pickle.npz")
    assert "other.h5 is no product: it has no dataset 'object'" in refused("compare", "other.h5")


def test_runs_that_did_not_finish_or_were_damaged(refused, copied, runs):
    for number, missing in enumerate(("reconstruction.h5", "metrics.json")):
        run = copied("net-0", f"unfinished-{number}")
        (run / missing).unlink()
        assert f"run {run} has not finished; finish it with 'ptycho train --resume {run}'" in refused("compare", run)
    run = copied("net-0", "damaged")
    product = (run / "reconstruction.h5").read_bytes()
    for name, content, wrong in (
        ("metrics.json", b"{", "metrics.json cannot be read"),
        ("metrics.json", b'{"training": {"seconds": "long"}}', "'seconds' is no number"),
        ("metrics.json", b"[]", "metrics.json cannot be read"),
        ("reconstruction.h5", product[:2000], "cannot be read as HDF5"),
        ("environment.json", b"{}", "does not say which data the run was trained on"),
        ("config.toml", b"[[", "cannot be used"),
    ):
        whole = (run / name).read_bytes()
        (run / name).write_bytes(content)
        assert wrong in refused("compare", run, runs / "fno-0")
        (run / name).write_bytes(whole)


def test_sources_that_do_not_belong_together(refused, copied, runs, tmp_path):
    other = copied("net-0", "other")
    config = (other / "config.toml").read_text()
    assert "photons = 10000000.0" in config
    (other / "config.toml").write_text(config.replace("photons = 10000000.0", "photons = 1000.0"))
    environment = json.loads((other / "environment.json").read_text())
    (other / "environment.json").write_text(json.dumps({**environment, "data_fingerprint": "0" * 64}))
    message = refused("compare", runs / "net-0", other)
    assert f"{runs / 'net-0'} (simulated: lines, seed 0) and {other} (simulated: lines, seed 0)" in message
    assert "are of different scans" in message

    np.savez(tmp_path / "small.npz", object=np.ones((10, 12), complex))
    message = refused("compare", runs / "net-0", "small.npz")
    assert "small.npz holds an object of 10 x 12 pixels and the scan of" in message
    assert "one of 96 x 96" in message
    np.savez(tmp_path / "truth.npz", object=np.ones((10, 10), complex))
    assert "10 x 12 pixels and truth.npz one of 10 x 10" in refused("compare", "small.npz", "--truth", "truth.npz")

    np.savez(tmp_path / "fits.npz", object=np.ones((96, 96), complex))
    message = refused("compare", runs / "net-0", runs / "net-1", "fits.npz")
    assert "it is not clear by which of them to judge fits.npz" in message
    assert "there is nothing to judge 'fits.npz' by" in refused("compare", "fits.npz")


def test_data_that_changed_since_the_run(refused, copied):
    run = copied("net-0")
    config = (run / "config.toml").read_text()
    (run / "config.toml").write_text(config.replace("photons = 10000000.0", "photons = 1000.0"))
    message = refused("compare", run)
    assert f"the data of {run} (simulated: lines, seed 0) are not those it was made from" in message
    assert "--truth FILE" in message


def test_truths_that_are_none(refused, runs, tmp_path):
    np.savez(tmp_path / "none.npz", x=np.ones(3))
    np.savez(tmp_path / "nan.npz", object=np.full((96, 96), np.nan, complex))
    run = runs / "net-0"
    assert "there is no file or data set 'nothing.npz'" in refused("compare", run, "--truth", "nothing.npz")
    assert "none.npz holds no 'object'" in refused("compare", run, "--truth", "none.npz")
    assert "is a folder" in refused("compare", run, "--truth", run)
    assert "the object in nan.npz is not finite" in refused("compare", run, "--truth", "nan.npz")


def test_names_given_twice_and_folders_in_use(refused, runs, tmp_path):
    run = runs / "net-0"
    assert "was given twice" in refused("compare", run, f"{run}/../net-0")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    assert "used exists and is not an empty folder" in refused("compare", run, "--out", "used")
    assert "used/file: it is no folder" in refused("compare", run, "--out", "used/file/deeper")
    with pytest.raises(InputError, match="name at least one"):
        compare([])
