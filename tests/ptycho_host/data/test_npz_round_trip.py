"""What the NPZ writer writes the reader gives back, and files of others are read as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptycho_host.data.formats.npz import NpzReader, NpzWriter
from ptycho_host.data.scan import ExperimentGeometry, Scan
from ptycho_host.errors import RunFailedError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
METRES = st.floats(1e-12, 1e3)


@st.composite
def scans(draw):
    count, pixels = draw(st.integers(1, 5)), 2 * draw(st.integers(4, 9))
    height, width = pixels + draw(st.integers(0, 7)), pixels + draw(st.integers(0, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = 10.0 ** draw(st.integers(-20, 20))
    amplitudes = (scale * rng.poisson(1.5, size=(count, pixels, pixels))).astype(np.float32)
    amplitudes[:, 0, 0] = scale
    known = (rng.normal(size=(height, width)) + 1j * rng.normal(size=(height, width))).astype(np.complex64)
    kind = draw(st.sampled_from(["truth", "reference", "none"]))
    origin = st.none() | st.tuples(METRES, METRES.map(lambda metres: -metres))
    geometry = st.builds(ExperimentGeometry, st.tuples(METRES, METRES), METRES, METRES, origin)
    return Scan(
        amplitudes=amplitudes,
        positions=pixels / 2 + rng.uniform(size=(count, 2)) * [height - pixels, width - pixels],
        probe=(scale * (rng.normal(size=(pixels, pixels)) + 1j * rng.normal(size=(pixels, pixels)))).astype(
            np.complex64
        ),
        truth=known if kind == "truth" else None,
        reference=known if kind == "reference" else None,
        name="a scan",
        geometry=draw(st.none() | geometry),
        metadata=draw(st.dictionaries(st.text(), PLAIN, max_size=4)),
    )


def assert_same(array, expected):
    assert (array is None) == (expected is None)
    if expected is not None:
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(scan=scans())
def test_nothing_is_lost(tmp_path_factory, scan):
    path = tmp_path_factory.mktemp("npz", numbered=True) / "a scan.npz"
    NpzWriter().write(scan, path)
    assert NpzReader().recognises(path)
    again = NpzReader().read(path)
    assert_same(again.amplitudes, scan.amplitudes)
    assert_same(again.positions, scan.positions)
    assert_same(again.probe, scan.probe)
    assert_same(again.truth, scan.truth)
    assert_same(again.reference, scan.reference)
    assert (again.name, again.geometry, again.metadata) == (scan.name, scan.geometry, scan.metadata)
    assert again.fingerprint() == scan.fingerprint()


def test_a_selection_of_patterns_is_written_as_a_scan_of_its_own(tmp_path, arrays):
    np.savez(tmp_path / "all.npz", **arrays)
    scan = NpzReader().read(tmp_path / "all.npz")
    NpzWriter().write(scan.subset(np.array([4, 1])), tmp_path / "two.npz")
    two = NpzReader().read(tmp_path / "two.npz")
    np.testing.assert_array_equal(two.batch(slice(None)), arrays["diff3d"][[4, 1]])
    np.testing.assert_array_equal(two.positions[:, 1], arrays["xcoords"][[4, 1]])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_plain_numpy_files_are_read(tmp_path, arrays, save):
    save(tmp_path / "plain.npz", **arrays)
    scan = NpzReader().read(tmp_path / "plain.npz")
    assert (scan.name, scan.count, scan.pixels) == ("plain", 6, 8)
    np.testing.assert_array_equal(scan.positions, np.stack([arrays["ycoords"], arrays["xcoords"]], axis=1))
    np.testing.assert_array_equal(scan.truth, arrays["objectGuess"])
    assert scan.geometry == ExperimentGeometry((1.5e-8, 1.25e-8), 8.3e3, 1.9)
    assert scan.metadata == {"photons": 1000.0}


def test_the_required_arrays_are_enough(tmp_path, arrays):
    np.savez(tmp_path / "bare.npz", **{key: arrays[key] for key in ("diff3d", "xcoords", "ycoords", "probeGuess")})
    scan = NpzReader().read(tmp_path / "bare.npz")
    assert (scan.truth, scan.reference, scan.geometry, scan.metadata) == (None, None, None, {})


def test_an_object_is_a_truth_only_if_the_file_says_so(tmp_path, arrays):
    del arrays["objectGuessIsTruth"]
    np.savez(tmp_path / "guess.npz", **arrays)
    scan = NpzReader().read(tmp_path / "guess.npz")
    assert scan.truth is None
    np.testing.assert_array_equal(scan.reference, arrays["objectGuess"])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u4", "int64", "float16", ">f4", "float64", "longdouble"])
def test_any_real_numbers_do_for_amplitudes_and_positions(tmp_path, arrays, dtype):
    for key in ("diff3d", "xcoords", "ycoords"):
        arrays[key] = np.ceil(arrays[key]).astype(dtype)
    arrays["diff3d"] = np.asfortranarray(arrays["diff3d"])
    np.savez(tmp_path / "typed.npz", **arrays)
    scan = NpzReader().read(tmp_path / "typed.npz")
    assert (scan.batch(slice(None)).dtype, scan.positions.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(scan.batch(slice(None)), arrays["diff3d"].astype(np.float32))
    np.testing.assert_array_equal(scan.positions[:, 0], arrays["ycoords"].astype(float))


def test_foreign_arrays_are_left_alone_even_pickled_ones(tmp_path, arrays):
    np.savez(tmp_path / "more.npz", **arrays, scan_index=np.arange(6), notes=np.array([{"a": 1}], dtype=object))
    assert NpzReader().read(tmp_path / "more.npz").count == 6


def test_metadata_that_are_no_table_are_kept(tmp_path, arrays):
    arrays["metadata"] = np.array("[1, 2]")
    np.savez(tmp_path / "list.npz", **arrays)
    assert NpzReader().read(tmp_path / "list.npz").metadata == {"metadata": [1, 2]}


def test_a_scan_that_cannot_be_written_leaves_the_old_file(tmp_path, arrays):
    np.savez(tmp_path / "scan.npz", **arrays)
    before = (tmp_path / "scan.npz").read_bytes()
    scan = NpzReader().read(tmp_path / "scan.npz")
    with pytest.raises(TypeError):
        NpzWriter().write(replace(scan, metadata={"when": object()}), tmp_path / "scan.npz")
    with pytest.raises(RunFailedError, match="cannot write"):
        NpzWriter().write(scan, tmp_path / "scan.npz" / "below.npz")
    assert (tmp_path / "scan.npz").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["scan.npz"]
