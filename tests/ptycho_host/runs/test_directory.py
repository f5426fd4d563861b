"""Run directories: where they are made, when they are refused, how they are found again."""

from __future__ import annotations

import json
import re

import pytest

from ptycho_host.errors import InputError, RunFailedError
from ptycho_host.runs.directory import RunDirectory


def test_a_new_directory_is_made_with_its_parents(tmp_path):
    run = RunDirectory.create(tmp_path / "a" / "b", "fno")
    assert run.path == tmp_path / "a" / "b"
    assert run.checkpoints.is_dir()


def test_an_empty_folder_is_taken(tmp_path):
    assert RunDirectory.create(tmp_path, "fno").checkpoints == tmp_path / "checkpoints"


def test_what_is_in_use_is_refused_and_untouched(tmp_path):
    (tmp_path / "precious").write_text("data")
    for path in (tmp_path, tmp_path / "precious"):
        with pytest.raises(
            InputError, match="not an empty folder; choose another --out, or go on with the run there by --resume"
        ):
            RunDirectory.create(path, "fno")
    assert [entry.name for entry in tmp_path.iterdir()] == ["precious"]


def test_a_place_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "run", tmp_path / ("n" * 300)):
        with pytest.raises(RunFailedError, match=r"cannot make .*choose another --out"):
            RunDirectory.create(place, "fno")


def test_without_a_place_time_and_generator_name_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = [RunDirectory.create(None, "stable_hybrid") for _ in range(4)]
    assert len({run.path for run in runs}) == 4
    for run in runs:
        assert re.fullmatch(r"runs/\d{8}-\d{6}-stable_hybrid(-\d)?", str(run.path))
        assert run.checkpoints.is_dir()


def test_a_run_is_known_by_its_configuration(tmp_path):
    run = RunDirectory.create(tmp_path / "run", "fno")
    with pytest.raises(InputError, match=r"run is not a run directory \(it has no config\.toml\); give the path"):
        RunDirectory.open(run.path)
    run.config.write_text("")
    assert RunDirectory.open(run.path) == run
    with pytest.raises(InputError, match="not a run directory"):
        RunDirectory.open(tmp_path / "none")


def test_every_place_lies_inside_and_is_another(tmp_path):
    run = RunDirectory(tmp_path)
    places = [
        run.config, run.environment, run.history, run.checkpoints, run.bundle, run.reconstruction, run.metrics,
        run.figures, run.report,
    ]  # fmt: skip
    assert {place.parent for place in places} == {tmp_path}
    assert len(set(places)) == len(places)


def test_json_is_strict(tmp_path):
    run = RunDirectory.create(tmp_path, "fno")
    run.write_json(run.metrics, {"ssim": 0.5, "phase": None})
    assert json.loads(run.metrics.read_text()) == {"ssim": 0.5, "phase": None}
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.write_json(run.metrics, {"ssim": float("nan")})
    assert json.loads(run.metrics.read_text()) == {"ssim": 0.5, "phase": None}
