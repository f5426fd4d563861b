"""Whatever a scan holds comes back from every format, to the last bit."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ptycho_host.data.formats.cxi import CxiReader, CxiWriter
from ptycho_host.data.formats.hdf5 import Hdf5Reader, Hdf5Writer
from ptycho_host.data.formats.mat import MatReader, MatWriter
from ptycho_host.data.formats.npz import NpzReader, NpzWriter
from ptycho_host.data.formats.ptychopinn import PtychopinnReader, PtychopinnWriter
from ptycho_host.data.scan import ExperimentGeometry, Scan

FORMATS = {
    "npz": (NpzWriter(), NpzReader(), ".npz"),
    "npz, not compressed": (NpzWriter(compressed=False), NpzReader(), ".npz"),
    "hdf5, lz4": (Hdf5Writer(codec="lz4"), Hdf5Reader(), ".h5"),
    "hdf5, zstd": (Hdf5Writer(codec="zstd"), Hdf5Reader(), ".h5"),
    "hdf5, gzip": (Hdf5Writer(codec="gzip"), Hdf5Reader(), ".h5"),
    "hdf5, none": (Hdf5Writer(codec="none"), Hdf5Reader(), ".h5"),
    "ptychopinn": (PtychopinnWriter(), PtychopinnReader(), ".npz"),
    "ptychopinn, counts, last axis": (
        PtychopinnWriter(values="intensity", pattern_axis="last", compressed=False),
        PtychopinnReader(pattern_axis="last"),
        ".npz",
    ),
    "cxi": (CxiWriter(), CxiReader(), ".cxi"),
    "mat": (MatWriter(), MatReader(pattern_axis="last"), ".mat"),
}

PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text()
NAMES = st.text(st.characters(codec="ascii", exclude_characters="\0/\\:"), min_size=1, max_size=12).map("own {}".format)
DTYPES = st.sampled_from([np.float64, np.float32, np.int16, np.uint64, np.complex64, np.bool_, "U7", "M8[s]"])
LENGTHS = st.floats(1e-9, 1e-3)


@st.composite
def scans(draw):
    """Small scans with anything that a scan can have; bad pixels hold zero, as readers give it."""
    count, pixels = draw(st.integers(1, 4)), draw(st.sampled_from([8, 10]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    height, width = (int(draw(st.integers(pixels, pixels + 9))) for _ in range(2))
    # Down to subnormal amplitudes, up to the largest whose square a detector could hold.
    exponents = rng.uniform(-20, 9, (count, pixels, pixels))
    amplitudes = (10.0**exponents * (rng.uniform(size=exponents.shape) > 0.3)).astype(np.float32)
    amplitudes[:, 1, 1] = 1
    bad = draw(st.none() | st.just(rng.uniform(size=(pixels, pixels)) > 0.8))
    if bad is not None:
        bad[1, 1], bad[0, 0] = False, True
        amplitudes = np.where(bad, np.float32(0), amplitudes)

    def waves(*shape):
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)

    def arrays(prefix):
        shape = prefix if prefix else hnp.array_shapes(max_dims=3, max_side=4)
        return draw(st.dictionaries(NAMES, DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, shape)), max_size=2))

    known = draw(st.sampled_from([(), ("truth",), ("reference",), ("truth", "reference")]))
    origin = st.none() | st.tuples(st.floats(-1, 1), st.floats(-1, 1))
    geometry = st.builds(
        ExperimentGeometry, st.tuples(LENGTHS, LENGTHS), st.floats(100, 1e5), st.floats(1e-3, 1e2), origin
    )
    per_pattern = arrays((count,))
    return Scan(
        amplitudes=amplitudes,
        positions=rng.uniform(pixels / 2, [height - pixels / 2, width - pixels / 2], (count, 2)),
        probe=waves(pixels, pixels),
        **{name: waves(height, width) for name in known},
        name="a scan",
        geometry=draw(st.none() | geometry),
        metadata=draw(st.dictionaries(st.text(), PLAIN, max_size=3)),
        bad_pixels=bad,
        per_pattern=per_pattern,
        # NPZ tells arrays of the patterns by their shape, and no name is given twice.
        extras={k: a for k, a in arrays(None).items() if k not in per_pattern and a.shape != (count,)},
    )


def assert_same(array, expected):
    assert (array is None) == (expected is None)
    if expected is not None:
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)


def assert_same_scan(again, scan, *, exact_positions=True):
    assert_same(again.batch(slice(None)), scan.batch(slice(None)))
    np.testing.assert_allclose(again.positions, scan.positions, rtol=0, atol=0 if exact_positions else 1e-11)
    for name in ("probe", "truth", "reference", "bad_pixels"):
        assert_same(getattr(again, name), getattr(scan, name))
    assert (again.name, again.metadata) == (scan.name, scan.metadata)
    for name in ("per_pattern", "extras"):
        found, due = getattr(again, name), getattr(scan, name)
        for key in due:
            assert_same(found[key], due[key])
    if scan.geometry is None:
        assert again.geometry is None
    else:
        # Detector pixels and joules on the way leave a few units in the last place.
        assert again.geometry.object_pixel_m == pytest.approx(scan.geometry.object_pixel_m, rel=1e-14)
        assert again.geometry.photon_energy_ev == pytest.approx(scan.geometry.photon_energy_ev, rel=1e-14)
        assert again.geometry.detector_distance_m == scan.geometry.detector_distance_m
        assert again.geometry.origin_m == scan.geometry.origin_m


@pytest.mark.parametrize(("writer", "reader", "suffix"), FORMATS.values(), ids=FORMATS.keys())
@settings(max_examples=25, deadline=None, derandomize=True)
@given(scan=scans())
def test_nothing_is_lost(tmp_path_factory, writer, reader, suffix, scan):
    path = tmp_path_factory.mktemp("formats", numbered=True) / f"a scan{suffix}"
    writer.write(scan, path)
    assert reader.recognises(path)
    others = [other for _, other, _ in FORMATS.values() if type(other) is not type(reader)]
    assert not any(other.recognises(path) for other in others)
    # Metres on the way cost the positions a few units in the last place, the MATLAB origin one.
    assert_same_scan(reader.read(path), scan, exact_positions=suffix not in (".cxi", ".mat"))


@pytest.mark.parametrize(("writer", "reader", "suffix"), FORMATS.values(), ids=FORMATS.keys())
def test_patterns_come_in_any_order_and_travel_to_other_processes(tmp_path, writer, reader, suffix):
    rng = np.random.default_rng(1)
    amplitudes = np.sqrt(rng.poisson(30, (9, 8, 8))).astype(np.float32)
    scan = Scan(amplitudes, np.full((9, 2), 6.0), np.ones((8, 8), dtype=np.complex64))
    writer.write(scan.subset(np.arange(9)[::-1]), tmp_path / f"scan{suffix}")
    source = reader.read(tmp_path / f"scan{suffix}").amplitudes
    for copy in (source, pickle.loads(pickle.dumps(source))):
        for wanted in ([8, 0, 3, 3, 4], [2], [-1, 1]):
            index = np.array(wanted)
            np.testing.assert_array_equal(copy[index], amplitudes[::-1][index])
        for part in (slice(2, 7, 2), slice(None, None, -1), slice(4, 4)):
            np.testing.assert_array_equal(copy[part], amplitudes[::-1][part])


def test_written_in_one_format_after_the_other_nothing_is_lost(tmp_path):
    rng = np.random.default_rng(3)
    scan = Scan(
        np.sqrt(rng.poisson(50, (5, 8, 8)) + 1).astype(np.float32),
        rng.uniform(4, 12, (5, 2)),
        np.ones((8, 8), dtype=np.complex64),
        reference=np.ones((16, 16), dtype=np.complex64),
        name="scan",
        geometry=ExperimentGeometry((1.5e-8, 1.25e-8), 8.3e3, 1.9, origin_m=(-2e-3, 4e-3)),
        metadata={"a": [1, {"b": "ä"}]},
        per_pattern={"scan_index": np.arange(5), "xcoords_start": rng.uniform(size=5)},
        extras={"flat field": rng.uniform(size=(8, 8))},
    )
    again = scan
    for number, (writer, reader, suffix) in enumerate(FORMATS.values()):
        path = tmp_path / str(number) / f"scan{suffix}"
        writer.write(again, path)
        again = reader.read(path)
    assert_same_scan(again, scan, exact_positions=False)


def test_a_raw_file_may_be_cubic_only_if_the_axis_is_said(tmp_path):
    scan = Scan(np.ones((8, 8, 8), np.float32), np.full((8, 2), 6.0), np.ones((8, 8), dtype=np.complex64))
    PtychopinnWriter().write(scan, tmp_path / "cube.npz")
    with (
        pytest.raises(ValueError, match="unreachable")
        if False
        else pytest.raises(Exception, match="pattern_axis=first")
    ):
        PtychopinnReader().read(tmp_path / "cube.npz")
    assert PtychopinnReader(pattern_axis="first").read(tmp_path / "cube.npz").count == 8


def test_the_writer_of_a_masked_scan_may_be_another_programs(tmp_path):
    scan = Scan(np.ones((2, 8, 8), np.float32), np.full((2, 2), 6.0), np.ones((8, 8), dtype=np.complex64))
    broken = np.array(scan.amplitudes)
    broken[:, 3, 4] = np.nan
    bad = np.zeros((8, 8), dtype=bool)
    bad[3, 4] = True
    arrays = {"xcoords": [6.0, 6], "ycoords": [6.0, 6], "probeGuess": scan.probe}
    np.savez(tmp_path / "masked.npz", diff3d=broken, badPixels=bad, **arrays)
    # Not even NaN counts at a bad pixel.
    again = NpzReader().read(tmp_path / "masked.npz")
    np.testing.assert_array_equal(again.batch(slice(None)), np.where(bad, 0, scan.amplitudes))
    assert replace(again, bad_pixels=None).fingerprint() != again.fingerprint()
