"""`ptycho inspect`, `convert` and `prepare` from the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ptycho_host import load_scan
from ptycho_host.data.embedded import siemens_star
from ptycho_host.workflows.scans import read_scan


@pytest.fixture
def raw(tmp_path):
    """A raw file of PtychoPINN with intensities, patterns along the last axis, and an array of its own."""
    scan = siemens_star()().subset(np.arange(12))
    np.savez(
        tmp_path / "raw.npz",
        diff3d=np.moveaxis(scan.batch(slice(None)) ** 2, 0, -1),
        xcoords=scan.positions[:, 1],
        ycoords=scan.positions[:, 0],
        xcoords_start=scan.positions[:, 1] + 0.5,
        ycoords_start=scan.positions[:, 0] - 0.5,
        probeGuess=scan.probe,
        objectGuess=scan.reference,
        temperature=np.linspace(80, 90, 12),
    )
    return tmp_path / "raw.npz"


def test_what_a_file_leaves_open_is_asked_for(ptycho, refused, raw):
    message = "may hold amplitudes or intensities, and the file does not say which; add --set data.reader.values="
    for arguments in (["inspect", raw], ["convert", raw, "out.h5"], ["train", "--data", raw, "--out", "run"]):
        assert message in refused(*arguments)
    found = json.loads(ptycho("inspect", raw, "--set", "data.reader.values=intensity", "--json").out)
    assert found["format"].startswith("ptychopinn")
    assert (found["patterns"], found["pixels"], found["suspicions"]) == (12, 64, [])
    assert found["extras"] == ["temperature", "xcoords_start", "ycoords_start"]
    assert found["agreement"] > 0.97
    wrong = ptycho("inspect", raw, "--set", "data.reader.values=amplitude").out
    assert "they are intensities" in wrong


@pytest.mark.parametrize("way", [("a.h5", "b.cxi", "c.mat", "d.npz"), ("a.cxi", "b.npz", "c.h5", "d.mat")])
def test_a_scan_goes_through_all_formats_unharmed(ptycho, raw, tmp_path, way):
    before, settings = raw, ["--set", "data.reader.values=intensity"]
    for name in way:
        outcome = ptycho("convert", before, name, *settings)
        assert outcome.code == 0, outcome.err
        assert "12 patterns of 64 × 64 pixels" in outcome.out
        before, settings = tmp_path / name, []
    scan, due = read_scan(before), siemens_star()().subset(np.arange(12))
    np.testing.assert_array_equal(scan.batch(slice(None)), due.batch(slice(None)))
    np.testing.assert_allclose(scan.positions, due.positions, atol=1e-10)
    np.testing.assert_array_equal(scan.reference, due.reference)
    np.testing.assert_array_equal(scan.per_pattern["xcoords_start"], due.positions[:, 1] + 0.5)
    assert ptycho("convert", before, "e.npz", "--writer", "ptychopinn", "--set", "writer.values=intensity").code == 0
    with np.load(tmp_path / "e.npz") as again:
        np.testing.assert_array_equal(again["temperature"], np.linspace(80, 90, 12))
        np.testing.assert_allclose(again["diff3d"], due.batch(slice(None)).astype(float) ** 2, rtol=1e-6)


def test_files_are_not_written_over_by_accident(ptycho, refused, raw, tmp_path):
    (tmp_path / "out.h5").write_text("precious")
    told = ["--set", "data.reader.values=intensity"]
    assert "add --force" in refused("convert", raw, "out.h5", *told)
    assert "is the file to be read" in refused("convert", raw, raw, "--force", *told)
    assert "no writer for '.tif'" in refused("convert", raw, "out.tif", *told)
    assert "Did you mean 'codec'" in refused("convert", raw, "new.h5", *told, "--set", "writer.kodec=gzip")
    assert "options here begin with" in refused("convert", raw, "new.h5", "--set", "train.epochs=3")
    assert (tmp_path / "out.h5").read_text() == "precious"
    assert ptycho("convert", raw, "out.h5", "--force", *told).code == 0


def test_training_reads_with_the_options_of_its_reader(ptycho, raw):
    dry = ptycho("train", "--data", raw, "--set", "data.reader.values=intensity", "--dry-run")
    assert dry.code == 0
    assert 'values = "intensity"' in dry.out


def test_empty_patterns_are_counted_and_dropped(ptycho, refused, tmp_path):
    scan = siemens_star()().subset(np.arange(12))
    amplitudes = scan.batch(slice(None))
    amplitudes[[2, 7]] = 0
    np.savez(
        tmp_path / "e.npz",
        diff3d=amplitudes,
        xcoords=scan.positions[:, 1],
        ycoords=scan.positions[:, 0],
        probeGuess=scan.probe,
    )
    assert "2 patterns are empty" in ptycho("inspect", "e.npz").out
    assert "data.reader.empty=drop" in refused("convert", "e.npz", "f.npz")
    assert ptycho("convert", "e.npz", "f.npz", "--set", "data.reader.empty=drop").code == 0
    assert load_scan(tmp_path / "f.npz").count == 10


def test_a_scan_is_prepared_in_steps_and_cut(ptycho, tmp_path):
    outcome = ptycho(
        "prepare", "siemens_star", "a.h5", "--do", "mask_above:counts=900", "--do", "crop:pixels=48",
        "--do", "smooth_probe:sigma=0.5", "--split", "y:fraction=0.5,gap=10", "--rest", "b.npz",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    one, other = (read_scan(tmp_path / name) for name in ("a.h5", "b.npz"))
    assert (one.pixels, one.count, other.pixels) == (48, 58, 48)
    assert other.positions[:, 0].min() - one.positions[:, 0].max() >= 10
    assert one.bad_pixels.any()
    assert [note["step"] for note in one.metadata["preparation"]] == ["mask_above", "crop", "smooth_probe", "split"]
    assert other.metadata["preparation"][-1] == {"step": "split", "axis": "y", "fraction": 0.5, "gap": 10.0, "side": 2}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--do", "crp:pixels=48"], "Did you mean 'crop'?"),
        (["--do", "crop:pixels"], "takes KEY=VALUE after its name"),
        (["--do", "crop:pixels=47"], "multiple of 2"),
        (["--do", "crop:pixels=128"], "cannot be cropped to 128"),
        (["--do", "bin:factor=2"], "of the probe lies outside"),
        (["--split", "y"], "--split needs --rest"),
        (["--split", "z", "--rest", "r.npz"], "--split takes y or x"),
        (["--split", "y:fraction=2", "--rest", "r.npz"], "fraction between 0 and 1"),
        (["--split", "y", "--rest", "o.npz"], "name the same file"),
    ],
)
def test_a_mistake_is_refused(refused, arguments, sentence):
    assert sentence in refused("prepare", "siemens_star", "o.npz", *arguments)


def test_the_steps_are_listed_with_their_options(ptycho):
    listed = ptycho("prepare", "--steps")
    assert listed.code == 0
    for word in ("crop", "pixels", "replace_probe", "resize", "extrapolate", "mask_above"):
        assert word in listed.out
