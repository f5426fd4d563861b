"""Detectors that are not square, or whose zero frequency is not in the middle."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from ptycho_host.data.formats.cxi import CxiReader, CxiWriter
from ptycho_host.data.formats.mat import MatReader
from ptycho_host.errors import DataError
from ptycho_host.testing.scans import simulated_scan

ABOVE, LEFT = 3, 7
"""Rows and columns of the detector before the square of 16 x 16 that we know."""
ROWS, COLUMNS = 22, 40


@pytest.fixture
def scan():
    return simulated_scan(16)


def on_a_large_detector(images):
    whole = np.full((len(images), ROWS, COLUMNS), 5.0)
    whole[:, ABOVE : ABOVE + 16, LEFT : LEFT + 16] = images
    return whole


@pytest.fixture
def cxi(tmp_path, scan):
    """A file of another program: no companion of ours, a dead pixel."""
    path = tmp_path / "scan.cxi"
    CxiWriter().write(scan, path)
    with h5py.File(path, "r+") as file:
        del file["entry_1/ptycho_host"]
        for name in ("entry_1/data_1/data", "entry_1/instrument_1/detector_1/data"):
            if name in file:
                del file[name]
        mask = np.zeros((ROWS, COLUMNS), np.uint32)
        mask[ABOVE + 2, LEFT + 5] = 8
        detector = file["entry_1/instrument_1/detector_1"]
        if "mask" in detector:
            del detector["mask"]
        detector["mask"] = mask
        detector["data"] = on_a_large_detector(scan.batch(slice(None)).astype(float) ** 2)
    return path


@pytest.fixture
def mat(tmp_path, scan):
    path = tmp_path / "scan.mat"
    with h5py.File(path, "w") as file:
        file["data"] = on_a_large_detector(scan.batch(slice(None))).swapaxes(1, 2)
        file["y"], file["x"], file["probe"] = scan.positions[:, 0], scan.positions[:, 1], scan.probe.T
        mask = np.zeros((ROWS, COLUMNS), bool)
        mask[ABOVE + 2, LEFT + 5] = True
        file["dead"] = mask.T
    return path


OF_MAT = {
    "patterns": "data",
    "y": "y",
    "x": "x",
    "probe": "probe",
    "bad_pixels": "dead",
    "values": "amplitude",
    "zero_frequency": "centre",
    "first_pixel": 0,
    "position_of": "centre",
    "pattern_axis": "last",
}
READERS = {"cxi": (CxiReader, {}), "mat": (MatReader, OF_MAT)}
CENTRE = {"centre_y": ABOVE + 8, "centre_x": LEFT + 8}


@pytest.mark.parametrize("kind", READERS)
def test_a_square_around_the_zero_frequency_is_read(request, scan, kind):
    reader, options = READERS[kind]
    read = reader(**options, **CENTRE, crop=16).read(request.getfixturevalue(kind))
    due = scan.batch(slice(None)).copy()
    due[:, 2, 5] = 0
    np.testing.assert_array_equal(read.batch(slice(None)), due)
    assert np.argwhere(read.bad_pixels).tolist() == [[2, 5]]
    np.testing.assert_array_equal(read.probe, scan.probe)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"has patterns of 22 x 40 pixels; cut a square around .*--set data\.reader\.crop=22, with data\.reader"),
        ({**CENTRE, "crop": 24}, r"has 22 x 40 pixels, which leave 22 around \(11, 15\) and not 24; ask for a smaller"),
        ({"centre_x": 60}, r"which leave 0 around \(11, 60\) and not 8"),
        ({"zero_frequency": "corner", "crop": 16}, "zero frequency in the corner, and nothing can be cut"),
    ],
)
def test_what_cannot_be_cut_is_said(request, kind, options, message):
    reader, others = READERS[kind]
    with pytest.raises(DataError, match=message):
        reader(**others | options).read(request.getfixturevalue(kind))
