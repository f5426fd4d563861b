"""HDF5 files that reach out, lie or are damaged: one sentence, no memory, no crash."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import h5py
import numpy as np
import pytest

from ptycho_host.data.formats import budget
from ptycho_host.data.formats.cxi import CxiReader, CxiWriter
from ptycho_host.data.formats.hdf5 import Hdf5Reader, Hdf5Writer
from ptycho_host.data.formats.mat import MatReader, MatWriter
from ptycho_host.errors import DataError
from ptycho_host.testing.scans import simulated_scan


@pytest.fixture
def path(tmp_path):
    Hdf5Writer(codec="gzip").write(simulated_scan(16), tmp_path / "scan.h5")
    return tmp_path / "scan.h5"


def replaced(path, name, make):
    with h5py.File(path, "r+") as file:
        del file[name]
        make(file, name)


def elsewhere(path):
    other = path.with_name("other.h5")
    Hdf5Writer(codec="gzip").write(simulated_scan(16), other)
    return other


def link(file, name):
    file[name] = h5py.ExternalLink("other.h5", f"/{name}")


def soft_link_into_a_link(file, name):
    file["way"] = h5py.ExternalLink("other.h5", "/")
    file[name] = h5py.SoftLink(f"/way/{name}")


def virtual(file, name):
    layout = h5py.VirtualLayout((25, 16, 16), np.float32)
    layout[...] = h5py.VirtualSource("other.h5", name, (25, 16, 16))
    file.create_virtual_dataset(name, layout)


def external(file, name):
    file.create_dataset(name, (25, 16, 16), np.float32, external=[("other.h5", 0, 25 * 256 * 4)])


def endless(file, name):
    file[name] = h5py.SoftLink(f"/{name}")


def absurd(file, name):
    file.create_dataset(name, (10**9, 16, 16), np.float32, chunks=(1, 16, 16))


def references(file, name):
    file.create_dataset(name, (25, 16, 16), h5py.ref_dtype)


REACHES_OUT = {
    link: "is a link into another file, other.h5",
    soft_link_into_a_link: "is a link into another file, other.h5",
    virtual: "takes its values from other files",
    external: "takes its values from other files",
    endless: "is a link to a link without end",
    absurd: "claims 1024000000000 bytes that the file does not hold",
    references: "references or strange numbers where plain numbers are due",
}


@pytest.mark.parametrize(("make", "message"), REACHES_OUT.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_nothing_outside_the_file_and_no_claim_is_believed(path, make, message):
    elsewhere(path)
    replaced(path, "amplitudes", make)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=rf"scan\.h5: amplitudes .*{message}"):
            Hdf5Reader().read(path)
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def test_links_inside_the_file_are_followed(path):
    with h5py.File(path, "r+") as file:
        file.move("amplitudes", "deep/down/amplitudes")
        file["amplitudes"] = h5py.SoftLink("/deep/way/amplitudes")
        file["deep/way"] = h5py.SoftLink("down")
    assert Hdf5Reader().read(path).fingerprint() == simulated_scan(16).fingerprint()


def test_a_chunk_larger_than_the_budget_is_refused(path, monkeypatch):
    def large(file, name):
        file.create_dataset(name, data=np.ones((25, 16, 16), np.float32), chunks=(25, 16, 16), compression="gzip")

    replaced(path, "amplitudes", large)
    assert Hdf5Reader().read(path).count == 25
    monkeypatch.setattr(budget, "memory_budget", lambda: 20_000)
    with pytest.raises(DataError, match=r"a chunk of amplitudes would take .* of memory"):
        Hdf5Reader().read(path)


def test_all_arrays_together_keep_the_budget(path, monkeypatch):
    monkeypatch.setattr(budget, "memory_budget", lambda: 5_000)
    with pytest.raises(DataError, match=r"would take .* of memory, more than"):
        Hdf5Reader().read(path)


WRONG = {
    "version": (lambda file: file.attrs.__setitem__("version", 99), "has version 99 of the layout, 1 is known"),
    "versions": (
        lambda file: file.attrs.__setitem__("version", np.ones((2, 1))),
        r"has version \[\[1.0\], \[1.0\]\] of",
    ),
    "format": (lambda file: file.attrs.__setitem__("format", np.bytes_("x")), "attribute 'format' does not say so"),
    "text of any length": (lambda file: file.attrs.__setitem__("format", "x"), "'format' holds text of any length"),
    "amplitudes": (lambda file: file.__delitem__("amplitudes"), "'amplitudes' is missing; the file holds metadata, "),
    "geometry": (lambda file: file.attrs.__delitem__("photon_energy_ev"), "photon_energy_ev is missing; give all of"),
    "positions": (lambda file: file["positions"].__setitem__((2, 1), np.nan), "positions has 1 values that are NaN"),
    "probe": (lambda file: file["probe"].__setitem__(..., 0), "probe is zero everywhere"),
    "far": (lambda file: file["positions"].__setitem__((2, 1), 500), "put 1 patches outside the 24 x 24 object"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_breaks_the_layout_is_named(path, change, message):
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(DataError, match=message) as caught:
        Hdf5Reader().read(path)
    assert "\n" not in str(caught.value)


def test_wrong_values_are_found_when_they_are_read(path):
    with h5py.File(path, "r+") as file:
        file["amplitudes"][7, 3, 4] = np.nan
        file["amplitudes"][11, 0, 1] = -1
        file["amplitudes"][20] = 0
    scan = Hdf5Reader().read(path)
    scan.batch(slice(0, 7))
    for pattern, message in ((7, r"first at \(7, 3, 4\)"), (11, r"is negative at \(11, 0, 1\)"), (20, "first: 20")):
        with pytest.raises(DataError, match=rf"scan\.h5: amplitudes .*{message}"):
            scan.batch(np.array([2, pattern]))


def test_a_file_that_vanishes_or_changes_meanwhile_is_an_error_with_a_name(path):
    scan = Hdf5Reader().read(path)
    path.unlink()
    with pytest.raises(DataError, match="amplitudes cannot be read from pattern 0 on"):
        scan.batch(slice(0, 1))
    Hdf5Writer(codec="gzip").write(simulated_scan(32), path)
    with pytest.raises(DataError, match="the file has changed"):
        scan.batch(slice(0, 1))


# Damaged files can bring down libhdf5 itself, and with it the interpreter: they are read in one of their own.
FUZZ = """
import sys
import numpy as np
from pathlib import Path
from ptycho_host.data.formats.cxi import CxiReader
from ptycho_host.data.formats.hdf5 import Hdf5Reader
from ptycho_host.data.formats.mat import MatReader
from ptycho_host.errors import DataError

path, cases, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
reader = {".h5": Hdf5Reader, ".cxi": CxiReader, ".mat": MatReader}[path.suffix]()
content = np.frombuffer(path.read_bytes(), np.uint8)
rng = np.random.default_rng(seed)
read = 0
for case in range(cases):
    mangled = content.copy()
    # Most of the file is patterns: half of the damage goes where the structure is.
    end = len(content) if case % 2 else 6000
    for place in rng.integers(0, end, rng.integers(1, 12)):
        mangled[place] = rng.integers(256)
    if case % 5 == 0:
        mangled = mangled[: rng.integers(len(mangled))]
    damaged = path.with_name(f"damaged{path.suffix}")
    damaged.write_bytes(mangled.tobytes())
    reader.recognises(damaged)
    try:
        reader.read(damaged).batch(slice(None))
        read += 1
    except DataError as error:
        assert str(damaged) in str(error) and "\\n" not in str(error), error
print(read)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("writer", "suffix"), [(Hdf5Writer, ".h5"), (CxiWriter, ".cxi"), (MatWriter, ".mat")])
def test_mangled_files_are_read_or_refused(tmp_path, writer, suffix):
    writer(codec="gzip").write(simulated_scan(16), tmp_path / f"scan{suffix}")
    command = [sys.executable, "-c", FUZZ, str(tmp_path / f"scan{suffix}"), "1000", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("reader", [Hdf5Reader, CxiReader, MatReader])
def test_other_files_are_refused(tmp_path, reader):
    (tmp_path / "text.h5").write_text("y,x,counts\n")
    for name, message in (("text.h5", "cannot be read as HDF5"), ("none.h5", "there is no file"), (".", "is a folder")):
        assert not reader().recognises(tmp_path / name)
        with pytest.raises(DataError, match=message):
            reader().read(tmp_path / name)
