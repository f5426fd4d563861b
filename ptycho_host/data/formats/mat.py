"""MATLAB files of version 7.3, which are HDF5 with the axes reversed: arrays by the names that the user gives.

Shapes are told as MATLAB shows them: a stack of patterns is (y, x, M), or (M, y, x) with pattern_axis=first.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.conventions import (
    Convention,
    EmptyOption,
    ModeOption,
    NegativeOption,
    PatternAxisOption,
    ValuesOption,
    ZeroFrequencyOption,
)
from ptycho_host.data.formats.hdf5 import read_arrays, write_arrays
from ptycho_host.data.formats.hdf5_reading import Hdf5Source, open_hdf5
from ptycho_host.data.formats.hdf5_writing import CodecOption, writing_hdf5
from ptycho_host.data.formats.reading import finished
from ptycho_host.data.formats.window import CentreOption, CropOption, Window
from ptycho_host.data.scan import BoolArray, ExperimentGeometry, Scan
from ptycho_host.errors import DataError, quoted

MARK = "ptycho_host_scan"
"""Attribute of files that we wrote: their names and conventions are known."""
OWN: dict[str, Any] = {
    "patterns": "amplitudes",
    "y": "positions_y",
    "x": "positions_x",
    "probe": "probe",
    "values": "amplitude",
    "zero_frequency": "centre",
    "first_pixel": 1,
    "position_of": "centre",
}


class MatReader:
    """Reads arrays of MATLAB 7.3 files by name; nothing about them is guessed. Patterns stay on disk."""

    def __init__(
        self,
        *,
        patterns: Annotated[str | None, Field(description="name of the stack of patterns, such as data/fmag")] = None,
        y: Annotated[str | None, Field(description="name of the positions along rows, a list of M numbers")] = None,
        x: Annotated[str | None, Field(description="name of the positions along columns, a list of M numbers")] = None,
        probe: Annotated[str | None, Field(description="name of the probe")] = None,
        object: Annotated[str | None, Field(description="name of a known object; none: there is none")] = None,  # noqa: A002
        bad_pixels: Annotated[str | None, Field(description="name of the mask, true where a pixel is bad")] = None,
        values: ValuesOption = None,
        zero_frequency: ZeroFrequencyOption = None,
        first_pixel: Annotated[
            Literal[0, 1] | None, Field(description="the object's first pixel in positions: 1 as MATLAB counts, or 0")
        ] = None,
        position_of: Annotated[
            Literal["centre", "corner"] | None,
            Field(description="what positions are of: a patch's centre, or first pixel"),
        ] = None,
        pattern_axis: PatternAxisOption = None,
        mode: ModeOption = None,
        empty: EmptyOption = "refuse",
        negative: NegativeOption = "refuse",
        crop: CropOption = None,
        centre_y: CentreOption = None,
        centre_x: CentreOption = None,
    ) -> None:
        """Options of the reader."""
        self._window = Window(crop, centre_y, centre_x)
        self._given = {
            "patterns": patterns,
            "y": y,
            "x": x,
            "probe": probe,
            "values": values,
            "zero_frequency": zero_frequency,
            "first_pixel": first_pixel,
            "position_of": position_of,
        }
        self._object = object
        self._bad_pixels = bad_pixels
        self._axis = pattern_axis
        self._mode = mode
        self._empty = empty
        self._negative: Literal["refuse", "zero"] = negative

    def recognises(self, path: Path) -> bool:
        """Whether the file is HDF5 and begins as MATLAB's files do."""
        try:
            with path.open("rb") as file:
                begins_well = file.read(19) == b"MATLAB 7.3 MAT-file"
            return begins_well and bool(h5py.is_hdf5(path))
        except OSError:
            return False

    def read(self, path: Path) -> Scan:
        """The scan; raises DataError that names file, array and remedy, or all options that are missing."""
        with open_hdf5(path) as source:
            ours = bool(source.attribute("/", MARK))
            told: dict[str, Any] = {
                name: OWN[name] if value is None and ours else value for name, value in self._given.items()
            }
            missing = [name for name, value in told.items() if value is None]
            if missing:
                settings = " ".join(f"--set data.reader.{name}=…" for name in missing)
                raise DataError(
                    f"{path} does not say what its arrays mean; add {settings}. It holds {quoted(_names(source))}."
                )
            check = ScanChecker(str(path), told["patterns"], told["probe"], (told["y"], told["x"]))
            y, x = (source.array(told[axis]).ravel() for axis in ("y", "x"))
            axis = self._axis or _axis(source.required(told["patterns"]).shape, len(y), check)
            # MATLAB's last axis is the first of HDF5.
            whole = source.patterns(told["patterns"], "first" if axis == "last" else "last")
            if self._window.asked_for and ours:
                remedy = "crop probe and object with it: `ptycho prepare`"
                raise check.fail(told["patterns"], "was cut to a square already", remedy)
            convention = Convention(told["values"], told["zero_frequency"], transposed=True, negative=self._negative)
            raw = self._window.cut(whole, convention, check)
            bad = None
            if self._bad_pixels is not None or (ours and source.dataset("bad_pixels") is not None):
                key = self._bad_pixels or "bad_pixels"
                bad = self._mask(source.array(key).T, key, whole.shape[:0:-1], check)
            patterns = check.patterns(raw, convention, bad, self._empty)
            pixels = patterns.shape[-1]
            shift = (pixels / 2 if told["position_of"] == "corner" else 0) - told["first_pixel"]
            obj = self._object or ("object" if ours and source.dataset("object") is not None else None)
            known = None if obj is None else check.object(_complex(source.array(obj)).T, obj)
            rest = _own_rest(source, check, patterns.shape[0]) if ours else {}
            is_truth = ours and bool(source.attribute("/", "object_is_truth"))
            scan = Scan(
                amplitudes=patterns,
                positions=check.positions(y, x, patterns.shape[0]) + shift,
                probe=check.probe(np.swapaxes(_complex(source.array(told["probe"])), -2, -1), pixels, self._mode),
                truth=known if is_truth else None,
                reference=rest.pop("reference", None) if is_truth else known,
                name=path.stem,
                bad_pixels=bad,
                **rest,
            )
        return finished(scan, check, self._empty)

    def _mask(self, mask: NDArray[Any], key: str, shape: tuple[int, ...], check: ScanChecker) -> BoolArray | None:
        """The mask in the window; its shape is the detector's."""
        if mask.shape != shape:
            wrong = f"has shape {mask.shape} for patterns of shape {shape}"
            raise check.fail(key, wrong, "it must be truth values, one a pixel, true where it is bad")
        rows, columns = mask.shape
        y, x = self._window.slices(rows, columns, check)
        return check.bad_pixels(mask[y, x], key, y.stop - y.start)


class MatWriter:
    """Writes MATLAB 7.3 files with `amplitudes` (y, x, M), positions from 1 on, `probe`, and what else is known."""

    def __init__(self, *, codec: CodecOption = "gzip") -> None:
        """Options of the writer; MATLAB itself opens gzip."""
        self._codec = codec

    def write(self, scan: Scan, path: Path) -> None:
        """Write the scan atomically, the patterns block by block."""
        with writing_hdf5(path, _userblock()) as target:
            root = target.root
            root.attrs[MARK] = True
            root.attrs["object_is_truth"] = scan.truth is not None
            stored = target.patterns(
                "amplitudes", scan.amplitudes, np.float32, self._codec, lambda block: block.swapaxes(1, 2)
            )
            stored.attrs["MATLAB_class"] = np.bytes_("single")
            # A row of M numbers for MATLAB; its first pixel is 1.
            for name, axis in (("positions_y", 0), ("positions_x", 1)):
                _put(root, name, (scan.positions[:, axis] + 1)[:, None], "double")
            _put(root, "probe", scan.probe.T, "single")
            known = scan.truth if scan.truth is not None else scan.reference
            if known is not None:
                _put(root, "object", known.T, "single")
            if scan.truth is not None and scan.reference is not None:
                _put(root, "reference", scan.reference.T, "single")
            if scan.bad_pixels is not None:
                _put(root, "bad_pixels", scan.bad_pixels.T.astype(np.uint8), "logical")
                root["bad_pixels"].attrs["MATLAB_int_decode"] = np.int32(1)
            if scan.geometry is not None:
                _put(root, "object_pixel_m", np.array(scan.geometry.object_pixel_m)[:, None], "double")
                _put(root, "photon_energy_ev", np.full((1, 1), scan.geometry.photon_energy_ev), "double")
                _put(root, "detector_distance_m", np.full((1, 1), scan.geometry.detector_distance_m), "double")
                if scan.geometry.origin_m is not None:
                    _put(root, "origin_m", np.array(scan.geometry.origin_m)[:, None], "double")
            if scan.metadata:
                text = np.array([ord(letter) for letter in json.dumps(dict(scan.metadata))], dtype=np.uint16)
                _put(root, "metadata", text[:, None], "char")
                root["metadata"].attrs["MATLAB_int_decode"] = np.int32(2)
            write_arrays(root, "per_pattern", scan.per_pattern)
            write_arrays(root, "extras", scan.extras)


def _own_rest(source: Hdf5Source, check: ScanChecker, count: int) -> dict[str, Any]:
    """What only our own files hold, by the names of the scan's fields."""
    rest: dict[str, Any] = {
        "per_pattern": read_arrays(source, "per_pattern", count),
        "extras": read_arrays(source, "extras"),
    }
    if source.dataset("reference") is not None:
        rest["reference"] = check.object(_complex(source.array("reference")).T, "reference")
    if source.dataset("object_pixel_m") is not None:
        y, x = check.positive(source.array("object_pixel_m"), "object_pixel_m", 2)
        (energy,) = check.positive(source.array("photon_energy_ev"), "photon_energy_ev", 1)
        (distance,) = check.positive(source.array("detector_distance_m"), "detector_distance_m", 1)
        stored = source.optional("origin_m")
        origin = None if stored is None else check.pair(stored, "origin_m")
        rest["geometry"] = ExperimentGeometry((y, x), energy, distance, origin)
    letters = source.optional("metadata")
    if letters is not None:
        text = check.numbers(letters, "metadata", np.float64).ravel()
        if text.min() < 0 or text.max() > 127:
            raise check.fail("metadata", "is no text", "remove it")
        rest["metadata"] = check.table("".join(map(chr, text.astype(int))), "metadata")
    return rest


def _axis(stored: tuple[int, ...], count: int, check: ScanChecker) -> Literal["first", "last"]:
    """Which axis counts the patterns, as MATLAB shows them; the stored shape is the other way round."""
    shape, key = stored[::-1], check.amplitudes_key
    if len(shape) != 3 or count not in (shape[0], shape[2]):
        raise check.fail(key, f"is {shape} in MATLAB, for {count} positions", "it must be (y, x, M) or (M, y, x)")
    if shape[0] == shape[2]:
        remedy = "say which axis counts the patterns: --set data.reader.pattern_axis=first, or last"
        raise check.fail(key, f"is {shape} in MATLAB, with patterns as many as pixels", remedy)
    return "first" if shape[0] == count else "last"


def _complex(array: NDArray[Any]) -> NDArray[Any]:
    """MATLAB's complex numbers, which are stored as pairs `real`, `imag`; other arrays as they are."""
    if array.dtype.names == ("real", "imag"):
        pairs = np.empty(array.shape, dtype=np.result_type(array["real"].dtype, np.complex64))
        pairs.real, pairs.imag = array["real"], array["imag"]
        return pairs
    return array


def _put(root: h5py.File, name: str, array: NDArray[Any], kind: str) -> None:
    """Write an array whose axes are reversed already, with the class that MATLAB wants to know."""
    if array.dtype.kind == "c":
        pairs = np.empty(array.shape, dtype=[("real", array.real.dtype), ("imag", array.real.dtype)])
        pairs["real"], pairs["imag"] = array.real, array.imag
        array = pairs
    root.create_dataset(name, data=array).attrs["MATLAB_class"] = np.bytes_(kind)


def _names(source: Hdf5Source) -> list[str]:
    """Datasets of the file and of its structures, for messages."""
    names = [name for name in source.names("/") if not name.startswith("#")]
    groups = [name for name in sorted(source.root) if isinstance(source.root.get(name, getclass=True), type)]
    return names + [f"{group}/{name}" for group in groups for name in source.names(group) if not group.startswith("#")]


def _userblock() -> bytes:
    """The 512 bytes by which MATLAB knows its files: text, version 0x0200, byte order."""
    text = b"MATLAB 7.3 MAT-file, Platform: any, written by ptycho-host, HDF5 schema 1.00 ."
    return text.ljust(116) + bytes(8) + b"\x00\x02IM" + bytes(384)
