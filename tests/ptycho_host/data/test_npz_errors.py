"""Every way to break the NPZ contract is refused with a sentence that names file, key and remedy."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ptycho_host.data.formats.npz import NpzReader
from ptycho_host.errors import DataError


def poke(key, index, value, dtype=None):
    """Set one number of an array."""

    def change(arrays):
        arrays[key] = arrays[key].astype(dtype or arrays[key].dtype)
        arrays[key][index] = value

    return change


def put(key, make):
    """Replace an array by what `make` makes of it, or of None."""

    def change(arrays):
        arrays[key] = make(arrays.get(key))

    return change


def drop(key):
    return lambda arrays: arrays.pop(key)


def pickled(array):
    return np.array([array, None], dtype=object)


CASES = {
    "NaN amplitude": (poke("diff3d", (2, 0, 5), np.nan), "diff3d", r"1 values .*first at \(2, 0, 5\).*replace"),
    "infinite amplitude": (poke("diff3d", (0, 0, 0), np.inf), "diff3d", "infinite.*replace"),
    "amplitude beyond single precision": (poke("diff3d", (1, 1, 1), 1e300, float), "diff3d", "too large.*replace"),
    "negative amplitude": (poke("diff3d", (3, 4, 1), -0.1), "diff3d", r"negative at \(3, 4, 1\).*background"),
    "complex amplitudes": (put("diff3d", lambda a: a + 0j), "diff3d", "complex64 where real.*store it as real"),
    "truth values for amplitudes": (put("diff3d", lambda a: a > 0), "diff3d", "bool where real"),
    "text for amplitudes": (put("diff3d", lambda a: a.astype(str)), "diff3d", "dtype <U.* where real"),
    "records for amplitudes": (
        put("diff3d", lambda a: np.zeros(a.shape, dtype=[("counts", "f4")])), "diff3d", "where real",
    ),
    "pickled amplitudes": (put("diff3d", lambda a: a.astype(object)), "diff3d", "pickled.*plain numbers"),
    "patterns along the last axis": (put("diff3d", lambda a: np.moveaxis(a, 0, -1)), "diff3d", r"must be \(M, N, N\)"),
    "a single pattern without a stack": (put("diff3d", lambda a: a[0]), "diff3d", r"\(8, 8\).*must be \(M, N, N\)"),
    "odd patterns": (put("diff3d", lambda a: np.ones((6, 9, 9))), "diff3d", "9 pixels.*crop or pad"),
    "tiny patterns": (put("diff3d", lambda a: a[:, :6, :6]), "diff3d", "6 pixels.*crop or pad"),
    "no patterns": (put("diff3d", lambda a: a[:0]), "diff3d", "is empty.*how the file was made"),
    "patterns without pixels": (put("diff3d", lambda a: a[:, :0, :0]), "diff3d", "0 pixels.*crop or pad"),
    "an amplitude without axes": (put("diff3d", lambda a: a[0, 0, 0]), "diff3d", r"shape \(\).*must be \(M, N, N\)"),
    "only empty patterns": (put("diff3d", np.zeros_like), "diff3d", "only empty patterns.*export"),
    "an empty pattern": (poke("diff3d", 4, 0), "diff3d", r"1 empty patterns \(first: 4\).*remove them"),
    "amplitudes below single precision": (poke("diff3d", 4, 1e-60, float), "diff3d", "empty patterns.*remove"),
    "NaN position": (poke("xcoords", 1, np.nan), "xcoords", r"first at \(1,\).*replace"),
    "infinite position": (poke("ycoords", 1, -np.inf), "ycoords", "infinite.*replace"),
    "complex positions": (put("ycoords", lambda a: a + 0j), "ycoords", "complex128 where real"),
    "pickled positions": (put("xcoords", pickled), "xcoords", "pickled.*plain numbers"),
    "too few positions": (put("ycoords", lambda a: a[:-1]), "ycoords", "one position a pattern"),
    "positions in a table": (put("xcoords", lambda a: a[:, None]), "xcoords", "one position a pattern"),
    "a position without axes": (put("xcoords", lambda a: a[0]), "xcoords", r"shape \(\).*one position a pattern"),
    "no positions": (put("xcoords", lambda a: a[:0]), "xcoords", "is empty.*how the file was made"),
    "position off the object": (poke("ycoords", 2, 17.0), "xcoords, ycoords", "1 patches outside.*pattern 2.*shift"),
    "position before the object": (poke("xcoords", 0, 3.0), "xcoords, ycoords", "outside the 20 x 24.*shift"),
    "positions in metres": (put("xcoords", lambda a: a * 1e-8), "xcoords, ycoords", "6 patches.*object pixels"),
    "position in another world": (poke("xcoords", 0, 1e300), "xcoords", "beyond 1000000 pixels.*rescale"),
    "probe of another size": (put("probeGuess", lambda a: a[1:, 1:]), "probeGuess", "8 x 8.*give one probe mode"),
    "several probe modes": (put("probeGuess", lambda a: np.stack([a, a])), "probeGuess", "give one probe mode"),
    "a probe without axes": (put("probeGuess", lambda a: a[0, 0]), "probeGuess", r"shape \(\).*give one probe mode"),
    "real probe": (put("probeGuess", np.abs), "probeGuess", "float32 where complex.*store it as complex"),
    "NaN probe": (poke("probeGuess", (0, 1), np.nan), "probeGuess", r"first at \(0, 1\).*replace"),
    "probe beyond single precision": (put("probeGuess", lambda a: a.astype(complex) * 1e60), "probeGuess", "too large"),
    "zero probe": (put("probeGuess", np.zeros_like), "probeGuess", "zero everywhere.*estimate of the probe"),
    "probe below single precision": (
        put("probeGuess", lambda a: a.astype(complex) * 1e-60), "probeGuess", "zero everywhere",
    ),
    "pickled probe": (put("probeGuess", lambda a: a.astype(object)), "probeGuess", "pickled.*plain numbers"),
    "real object": (put("objectGuess", np.abs), "objectGuess", "float32 where complex.*store it as complex"),
    "object of several slices": (put("objectGuess", lambda a: a[None]), "objectGuess", r"must be \(H, W\), one slice"),
    "NaN object": (poke("objectGuess", (5, 6), 1j * np.nan), "objectGuess", r"first at \(5, 6\).*replace"),
    "empty object": (put("objectGuess", lambda a: a[:0]), "objectGuess", "is empty"),
    "object smaller than a patch": (put("objectGuess", lambda a: a[:5, :5]), "xcoords, ycoords", "outside the 5 x 5"),
    "pickled object": (put("objectGuess", pickled), "objectGuess", "pickled.*plain numbers"),
    "several truth flags": (
        put("objectGuessIsTruth", lambda a: np.array([True, False])), "objectGuessIsTruth", "True or False",
    ),
    "no truth flag inside": (put("objectGuessIsTruth", lambda a: np.array([])), "objectGuessIsTruth", "True or False"),
    "truth flag as text": (
        put("objectGuessIsTruth", lambda a: np.array("False")), "objectGuessIsTruth", "<U5.*True or False",
    ),
    "truth flag as a number": (
        put("objectGuessIsTruth", lambda a: np.array(0.5)), "objectGuessIsTruth", "float64.*True or False",
    ),
    "one side of a pixel": (put("objectPixelM", lambda a: a[:1]), "objectPixelM", "store 2 positive numbers"),
    "negative pixel": (poke("objectPixelM", 0, -1e-8), "objectPixelM", "-1e-08.*store 2 positive numbers"),
    "NaN energy": (put("photonEnergyEV", lambda a: np.array(np.nan)), "photonEnergyEV", "NaN.*replace"),
    "text for the distance": (put("detectorDistanceM", lambda a: np.array("2 m")), "detectorDistanceM", "where real"),
    "zero distance": (put("detectorDistanceM", lambda a: np.array(0)), "detectorDistanceM", "store 1 positive number"),
    "geometry without energy": (drop("photonEnergyEV"), "photonEnergyEV", "is missing.*give all"),
    "one coordinate of the origin": (
        put("stageOriginM", lambda a: np.zeros(1)), "stageOriginM", "store 2 numbers, y and x",
    ),
    "origin that is infinite": (put("stageOriginM", lambda a: np.full(2, np.inf)), "stageOriginM", "infinite"),
    "geometry without pixel": (drop("objectPixelM"), "objectPixelM", "is missing.*give all"),
    "metadata that are not JSON": (put("metadata", lambda a: np.array("{'a': 1}")), "metadata", "not JSON.*JSON text"),
    "metadata as bytes": (put("metadata", lambda a: np.array(b"{}")), "metadata", "not JSON.*JSON text"),
    "metadata nested without end": (put("metadata", lambda a: np.array("[" * 200_000)), "metadata", "not JSON"),
    "pickled metadata": (put("metadata", lambda a: np.array({"a": 1}, dtype=object)), "metadata", "pickled"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "key", "message"), CASES.values(), ids=CASES.keys())
def test_what_breaks_the_contract_is_named(tmp_path, arrays, change, key, message):
    path = tmp_path / "broken.npz"
    change(arrays)
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: {key} .*{message}") as caught:
        NpzReader().read(path)
    assert str(caught.value).endswith(".")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("key", ["diff3d", "xcoords", "ycoords", "probeGuess"])
def test_a_missing_key_is_named_with_all_that_is_there(tmp_path, arrays, key):
    arrays[key.lower() + "s"] = arrays.pop(key)
    np.savez(tmp_path / "incomplete.npz", **arrays)
    with pytest.raises(DataError, match=f"'{key}' missing. Did you mean .*'{key.lower()}s'.*It holds .*'metadata'"):
        NpzReader().read(tmp_path / "incomplete.npz")
    assert not NpzReader().recognises(tmp_path / "incomplete.npz")


def test_half_a_pixel_over_the_edge_is_allowed(tmp_path, arrays):
    arrays["ycoords"][:2] = 3.5, 16.5
    np.savez(tmp_path / "edge.npz", **arrays)
    assert NpzReader().read(tmp_path / "edge.npz").count == 6


@pytest.mark.parametrize("position", [3.49, 16.51])
def test_a_little_more_is_not(tmp_path, arrays, position):
    arrays["ycoords"][3] = position
    np.savez(tmp_path / "over.npz", **arrays)
    with pytest.raises(DataError, match="1 patches outside the 20 x 24 object"):
        NpzReader().read(tmp_path / "over.npz")
