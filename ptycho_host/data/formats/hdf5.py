"""Scans in HDF5: our own layout, one pattern a chunk, read when a batch asks for it.

| item | dtype, shape | |
|---|---|---|
| attributes `format`, `version` | "ptycho-host scan", 1 | required |
| `amplitudes` | float32 (M, N, N) | required; square roots of photon counts, zero frequency at [N//2, N//2] |
| `positions` | float64 (M, 2) | required; (y, x) of the patches' centres, object pixels |
| `probe` | complex64 (N, N) | required |
| `truth`, `reference` | complex64 (H, W) | the object itself, somebody's reconstruction |
| `bad_pixels` | bool (N, N) | True where a pixel is bad |
| attributes `object_pixel_m`, `photon_energy_ev`, `detector_distance_m` | float64 (2) (y, x), 1, 1 | all or none |
| attribute `origin_m` | float64 (2) (y, x) | where object coordinate (0, 0) lies on the stage |
| `metadata` | text | a table in JSON |
| `per_pattern/…`, `extras/…` | any | other arrays, by name |
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import h5py
import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.conventions import EmptyOption
from ptycho_host.data.formats.hdf5_reading import Hdf5Source, open_hdf5
from ptycho_host.data.formats.hdf5_writing import CodecOption, writing_hdf5
from ptycho_host.data.formats.reading import finished
from ptycho_host.data.scan import ExperimentGeometry, Scan
from ptycho_host.errors import DataError

FORMAT, VERSION = "ptycho-host scan", 1
GEOMETRY = {"object_pixel_m": 2, "photon_energy_ev": 1, "detector_distance_m": 1}
ORIGIN = "origin_m"
OBJECTS = ("truth", "reference")


class Hdf5Reader:
    """Reads scans in our own HDF5 layout; the patterns stay on disk until a batch asks for them."""

    def __init__(self, *, empty: EmptyOption = "refuse") -> None:
        """Options of the reader."""
        self._empty = empty

    def recognises(self, path: Path) -> bool:
        """Whether the file is HDF5 and says that it is of this format."""
        try:
            if not path.is_file() or not h5py.is_hdf5(path):
                return False
            with open_hdf5(path) as source:
                return _says(source, "format", FORMAT)
        except Exception:  # noqa: BLE001 - a damaged file makes h5py raise almost anything
            return False

    def read(self, path: Path) -> Scan:
        """The scan; raises DataError that names file, item and remedy."""
        check = ScanChecker(str(path), "amplitudes", "probe", ("positions", "positions"))
        with open_hdf5(path) as source:
            if not _says(source, "format", FORMAT):
                raise DataError(f"{path} is no scan of ptycho-host in HDF5: its attribute 'format' does not say so.")
            if not _says(source, "version", VERSION):
                found = np.asarray(source.attribute("/", "version")).tolist()
                raise DataError(f"{path} has version {found} of the layout, {VERSION} is known; update ptycho-host.")
            raw = source.patterns("amplitudes")
            masked = source.optional("bad_pixels")
            bad = None if masked is None else check.bad_pixels(masked, "bad_pixels", raw.shape[-1])
            patterns = check.patterns(raw, bad_pixels=bad, empty=self._empty)
            positions = source.array("positions")
            if positions.ndim != 2 or positions.shape[1] != 2:
                raise check.fail("positions", f"has shape {positions.shape}", "it must be (M, 2), y and x")
            known = {name: check.object(source.array(name), name) for name in OBJECTS if source.dataset(name)}
            metadata = source.text("metadata")
            scan = Scan(
                amplitudes=patterns,
                positions=check.positions(positions[:, 0], positions[:, 1], patterns.shape[0]),
                probe=check.probe(source.array("probe"), patterns.shape[-1]),
                truth=known.get("truth"),
                reference=known.get("reference"),
                name=path.stem,
                geometry=_geometry(source, check),
                metadata={} if metadata is None else check.table(metadata, "metadata"),
                bad_pixels=bad,
                per_pattern=read_arrays(source, "per_pattern", patterns.shape[0]),
                extras=read_arrays(source, "extras"),
            )
        return finished(scan, check, self._empty)


class Hdf5Writer:
    """Writes scans in our own HDF5 layout, block by block: memory stays bounded whatever the size of the scan."""

    def __init__(self, *, codec: CodecOption = "lz4") -> None:
        """Options of the writer."""
        self._codec = codec

    def write(self, scan: Scan, path: Path) -> None:
        """Write the scan atomically."""
        with writing_hdf5(path) as target:
            root = target.root
            root.attrs["format"], root.attrs["version"] = np.bytes_(FORMAT), VERSION
            amplitudes = target.patterns("amplitudes", scan.amplitudes, np.float32, self._codec)
            amplitudes.attrs["values"], amplitudes.attrs["zero_frequency"] = np.bytes_("amplitude"), np.bytes_("centre")
            positions = root.create_dataset("positions", data=np.asarray(scan.positions, dtype=np.float64))
            positions.attrs["columns"], positions.attrs["unit"] = np.bytes_("y, x"), np.bytes_("object pixels")
            root.create_dataset("probe", data=scan.probe)
            for name in OBJECTS:
                if getattr(scan, name) is not None:
                    root.create_dataset(name, data=getattr(scan, name))
            if scan.bad_pixels is not None:
                root.create_dataset("bad_pixels", data=scan.bad_pixels)
            if scan.geometry is not None:
                for name in GEOMETRY:
                    root.attrs[name] = np.asarray(getattr(scan.geometry, name), dtype=np.float64)
                if scan.geometry.origin_m is not None:
                    root.attrs[ORIGIN] = np.asarray(scan.geometry.origin_m, dtype=np.float64)
            if scan.metadata:
                root.create_dataset("metadata", data=np.bytes_(json.dumps(dict(scan.metadata))))
            for group, arrays in (("per_pattern", scan.per_pattern), ("extras", scan.extras)):
                write_arrays(root, group, arrays)


def _says(source: Hdf5Source, key: str, due: object) -> bool:
    found = source.attribute("/", key)
    return bool(np.array_equal(found, due))  # type: ignore[arg-type]


def _geometry(source: Hdf5Source, check: ScanChecker) -> ExperimentGeometry | None:
    stored = {name: source.attribute("/", name) for name in GEOMETRY}
    missing = [name for name, value in stored.items() if value is None]
    if len(missing) == len(GEOMETRY):
        return None
    if missing:
        raise check.fail(missing[0], "is missing", f"give all of {', '.join(GEOMETRY)} or none")
    values = {name: check.positive(np.asarray(stored[name]), name, count) for name, count in GEOMETRY.items()}
    y, x = values["object_pixel_m"]
    found = source.attribute("/", ORIGIN)
    origin = None if found is None else check.pair(np.asarray(found), ORIGIN)
    return ExperimentGeometry((y, x), values["photon_energy_ev"][0], values["detector_distance_m"][0], origin)


def write_arrays(root: h5py.Group, group: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays of any type under their names into a group."""
    for name, array in arrays.items():
        place = f"{group}/{_escaped(name)}"
        try:
            root.create_dataset(place, data=array).attrs["npy"] = False
        except TypeError:
            # HDF5 has no such type (texts, dates): NumPy's own format has.
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array), allow_pickle=False)
            root.create_dataset(place, data=np.frombuffer(content.getvalue(), dtype=np.uint8)).attrs["npy"] = True


def read_arrays(source: Hdf5Source, group: str, count: int | None = None) -> dict[str, NDArray[Any]]:
    """The arrays that `write_arrays` wrote, by name; with `count`, their first axis must be as long."""
    arrays = {}
    for escaped in source.names(group):
        place = f"{group}/{escaped}"
        array = source.array(place)
        if source.attribute(place, "npy"):
            array = np.lib.format.read_array(io.BytesIO(array.tobytes()), allow_pickle=False)
        if count is not None and array.shape[:1] != (count,):
            raise source.fail(place, f"has shape {array.shape}", f"its first axis must count the {count} patterns")
        arrays[_unescaped(escaped)] = array
    return arrays


def _escaped(name: str) -> str:
    """A name without slashes and dots, which have a meaning in HDF5; an empty one becomes a lone per cent sign."""
    return quote(name, safe="").replace(".", "%2E") or "%"


def _unescaped(name: str) -> str:
    return "" if name == "%" else unquote(name)
