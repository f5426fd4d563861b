"""Files that are no NPZ, or were one: always a DataError, and never more memory than the file can hold."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptycho_host.data.formats.npz import NpzReader
from ptycho_host.data.scan import Scan
from ptycho_host.errors import DataError

N = 8
FUZZ = settings(max_examples=300, deadline=None, derandomize=True)


def small_npz(save=np.savez):
    """The bytes of a valid file of a few patterns."""
    rng = np.random.default_rng(0)
    content = io.BytesIO()
    save(
        content,
        diff3d=rng.uniform(1, 2, size=(2, N, N)).astype(np.float32),
        xcoords=np.array([4.0, 5.5]),
        ycoords=np.array([4.0, 6.0]),
        probeGuess=np.ones((N, N), dtype=np.complex64),
        objectGuess=np.ones((12, 12), dtype=np.complex64),
        objectGuessIsTruth=np.array(True),
        metadata=np.array("{}"),
    )
    return content.getvalue()


def with_member(key, content):
    """A valid archive in which the member `key` holds `content`, with the checksum of `content`."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(small_npz())) as old, zipfile.ZipFile(written, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name == f"{key}.npy" else old.read(name))
    return written.getvalue()


def npy(header, data=b""):
    """An array file with `header` as its text."""
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def read(path, content):
    path.write_bytes(content)
    NpzReader().recognises(path)
    return NpzReader().read(path)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged") / "scan.npz"


@st.composite
def mangled(draw, content):
    """`content` with a few bytes replaced, and sometimes a piece cut out or put in."""
    changed = bytearray(content)
    for place, value in draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=12)):
        changed[place] = value
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    how = draw(st.sampled_from(["keep", "keep", "cut off", "cut out", "insert"]))
    if how == "cut off":
        del changed[start:]
    elif how == "cut out":
        del changed[start : min(end, start + 40)]
    elif how == "insert":
        changed[start:start] = draw(st.binary(min_size=1, max_size=20))
    return bytes(changed)


def assert_scan_or_data_error(path, content):
    try:
        scan = read(path, content)
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert isinstance(scan, Scan)
        assert np.isfinite(scan.batch(slice(None))).all()


@FUZZ
@given(content=mangled(small_npz()) | mangled(small_npz(np.savez_compressed)))
def test_mangled_archives_are_read_or_refused(path, content):
    assert_scan_or_data_error(path, content)


@FUZZ
@given(data=st.data())
def test_mangled_arrays_are_read_or_refused(path, data):
    key = data.draw(st.sampled_from(["diff3d", "xcoords", "probeGuess", "objectGuessIsTruth", "metadata"]))
    with zipfile.ZipFile(io.BytesIO(small_npz())) as archive:
        member = archive.read(f"{key}.npy")
    # The header is where the trouble is; the checksum of the archive is right again.
    header, rest = member[:128], member[128:]
    assert_scan_or_data_error(path, with_member(key, data.draw(mangled(header)) + rest))


HEADERS = {
    "eight terabytes": "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 8, 8), }",
    "more than an integer": f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({10**40}, 8, 8), }}",
    "two gigabytes a number": "{'descr': '<U500000000', 'fortran_order': False, 'shape': (2, 8, 8), }",
    "nothing, very often": "{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000000, 8, 8), }",
    "negative sides": "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -8, 8), }",
    "bytes missing": "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 8, 8), }",
    "bytes over": "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 8, 8), }",
    "an open bracket": "{'descr': (((",
    "an unhashable key": "{[]: 1}",
    "a call": "__import__('os').getcwd()",
    "nesting": "[" * 9000,
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
def test_an_absurd_header_is_refused_before_memory_is_taken(path, header):
    content = with_member("diff3d", npy(header, bytes(2 * N * N * 4)))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"scan\.npz: diff3d .*store plain numbers"):
            read(path, content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Parsing nine thousand brackets takes a few megabytes.
    assert peak < 30e6


def test_an_archive_that_lies_about_its_sizes_is_refused_before_memory_is_taken(path):
    header = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (8000000, 8, 8), }")
    content = bytearray(with_member("diff3d", header))
    # The directory at the end claims what the array claims: two gigabytes that are not there.
    entry = content.rindex(b"diff3d.npy") - 46
    assert content[entry : entry + 4] == b"PK\x01\x02"
    content[entry + 24 : entry + 28] = struct.pack("<I", len(header) + 8_000_000 * 64 * 4)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="diff3d claims 2048000000 bytes"):
            read(path, bytes(content))
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def single_npy():
    content = io.BytesIO()
    np.save(content, np.zeros((2, 8, 8)))
    return content.getvalue()


def encrypted():
    content = bytearray(small_npz())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(signature)
        while place >= 0:
            content[place + flags] |= 1
            place = content.find(signature, place + 4)
    return bytes(content)


def zipped_otherwise():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("readme.txt", "no arrays here")
    return content.getvalue()


FILES = {
    "a single array": (single_npy(), "single array; save all arrays"),
    "nothing": (b"", "cannot be read as NPZ"),
    "text": (b"y,x,counts\n1,2,3\n", "cannot be read as NPZ"),
    "half an archive": (small_npz()[:3000], "cannot be read as NPZ"),
    "an archive without its end": (small_npz()[:-5], "cannot be read as NPZ"),
    "an archive of other files": (zipped_otherwise(), "'diff3d', 'xcoords', 'ycoords', 'probeGuess' missing"),
    "an encrypted archive": (encrypted(), "diff3d cannot be read .*encrypted"),
    "a member that is no array": (with_member("xcoords", b"four"), "xcoords cannot be read"),
    "an empty member": (with_member("ycoords", b""), "ycoords cannot be read"),
}


@pytest.mark.parametrize(("content", "message"), FILES.values(), ids=FILES.keys())
def test_other_files_are_refused(path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read(path, content)
    assert str(path) in str(caught.value)


def test_damage_inside_compressed_data_is_noticed(path):
    content = bytearray(small_npz(np.savez_compressed))
    start = content.index(b"diff3d.npy") + 60
    content[start : start + 20] = bytes(20)
    with pytest.raises(DataError, match="diff3d cannot be read"):
        read(path, bytes(content))


def test_damage_inside_stored_numbers_is_noticed(path):
    content = bytearray(small_npz())
    content[content.index(b"diff3d.npy") + 400] ^= 0xFF
    with pytest.raises(DataError, match=r"diff3d cannot be read .*CRC"):
        read(path, bytes(content))


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*none\.npz; check the path"):
        NpzReader().read(tmp_path / "none.npz")
    with pytest.raises(DataError, match="cannot be read as NPZ"):
        NpzReader().read(tmp_path)
    assert not NpzReader().recognises(tmp_path / "none.npz")
    assert not NpzReader().recognises(tmp_path)
