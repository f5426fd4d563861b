"""Files are replaced whole or not at all: blocks that raise, killed processes, full disks, closed folders."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ptycho_host.atomic import replacing, write_bytes, write_text
from ptycho_host.errors import RunFailedError


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    return path


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_the_new_content_takes_the_place_of_the_old(old):
    with replacing(old) as temporary:
        assert (temporary.parent, temporary.suffix) == (old.parent, ".json")
        temporary.write_text("new")
        assert old.read_text() == "old"
    assert old.read_text() == "new"
    assert names(old.parent) == ["metrics.json"]


def test_missing_folders_are_made(tmp_path):
    write_text(tmp_path / "a" / "b" / "note.txt", "Ångström")
    assert (tmp_path / "a" / "b" / "note.txt").read_bytes() == "Ångström".encode()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(old, error):
    with pytest.raises(error), replacing(old) as temporary:
        temporary.write_text("half")
        raise error
    assert old.read_text() == "old"
    assert names(old.parent) == ["metrics.json"]


@pytest.mark.parametrize(
    ("death", "status"), [("os._exit(3)", 3), ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL)]
)
def test_a_killed_process_leaves_the_old_file(old, death, status):
    program = f"""
import os, signal, sys
from pathlib import Path
from ptycho_host.atomic import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    {death}
"""
    assert subprocess.run([sys.executable, "-c", program, old], check=False).returncode == status
    assert old.read_text() == "old"
    write_text(old, "new")
    assert old.read_text() == "new"


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_the_umask_decides_who_may_read(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "result", "")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "result").stat().st_mode) == mode


def test_a_full_disk_leaves_the_old_file_and_says_so(old):
    with (
        pytest.raises(RunFailedError, match=r"cannot write .*metrics\.json: No space left on device; the old file is"),
        replacing(old),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert old.read_text() == "old"
    assert names(old.parent) == ["metrics.json"]


def test_a_file_in_place_of_the_folder(old):
    with pytest.raises(RunFailedError, match="choose a folder you may write to"):
        write_bytes(old / "below" / "file", b"")
    with pytest.raises(RunFailedError, match="choose a folder you may write to"):
        write_bytes(old / "file", b"")
    assert old.read_text() == "old"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a file system that takes no files")
def test_a_folder_that_takes_no_files():
    with pytest.raises(RunFailedError, match=r"cannot write /proc/self/x: .*choose a folder you may write to"):
        write_bytes(Path("/proc/self/x"), b"")


def test_a_folder_in_place_of_the_file(tmp_path):
    (tmp_path / "result").mkdir()
    with pytest.raises(RunFailedError, match="Is a directory"):
        write_bytes(tmp_path / "result", b"")
    assert names(tmp_path) == ["result"]
