"""A trained run in one file: what comes out is what went in, and nothing else is taken."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from ptycho_host.errors import BundleError
from ptycho_host.runs.directory import RunDirectory
from ptycho_ptychodus.model_file import opened_model, write_model

CONTENT = {"config.toml": b"seed = 1", "history.jsonl": b"{}", "bundle/bundle.toml": b"format = 1"}
WEIGHTS = {"bundle/weights.safetensors": bytes(range(256)) * 8}


@pytest.fixture
def run(tmp_path) -> RunDirectory:
    """A directory with a run's files and more; a model needs only some of them."""
    for name, content in {**CONTENT, **WEIGHTS, "report.html": b"<p>"}.items():
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return RunDirectory(tmp_path / "run")


def test_a_model_file_holds_what_a_model_needs(run, tmp_path):
    write_model(run, tmp_path / "model.ptycho")
    with opened_model(tmp_path / "model.ptycho") as folder:
        found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == CONTENT | WEIGHTS
    assert not folder.exists()


def test_the_bundle_of_a_run_is_a_model_too(run):
    with opened_model(run.bundle / "bundle.toml") as folder:
        assert folder == run.path


def zipped(path: Path, content: dict[str, bytes], compression: int = 0) -> None:
    with ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b"weights"), "File is not a zip file"),
        (lambda path: zipped(path, CONTENT), "There is no item named 'bundle/weights.safetensors' in the archive"),
        (lambda path: zipped(path, CONTENT | WEIGHTS, ZIP_DEFLATED), "config.toml is compressed"),
        (lambda path: None, "No such file or directory"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path, make, reason):
    path = tmp_path / "model.ptycho"
    make(path)
    with (
        pytest.raises(BundleError, match=r"model\.ptycho is no model of ptycho-host \(.*" + reason),
        opened_model(path),
    ):
        pass


def test_files_beside_the_model_stay_in_the_archive(tmp_path):
    path = tmp_path / "model.ptycho"
    zipped(path, CONTENT | WEIGHTS | {"../escaped": b"", "bundle/more": b""})
    with opened_model(path) as folder:
        assert not (folder / "bundle" / "more").exists()
    assert not list(tmp_path.parent.rglob("escaped"))
