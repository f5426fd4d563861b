"""CXI files (cxidb.org, version 1.6): HDF5 with data, geometry and positions at fixed places, in SI units.

Positions are translations in metres. The reference has the sample move, in a frame whose x and y axes point against
the detector's columns and rows; then columns and rows of the probe's place grow with x and y. Files that follow
another custom are common, so the directions are asked for, except where the file states them: in the detector's
`basis_vectors`, or in the attributes that our writer leaves.

Probe and object stand where Ptychodus 1.7 and SHARP put them: `image_1` or `source_1/illumination`, and `image_2`.
"""

from __future__ import annotations

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
    Values,
    ZeroFrequency,
)
from ptycho_host.data.formats.companion import NOMINAL, known_object, read_companion, write_companion
from ptycho_host.data.formats.hdf5_reading import Hdf5Source, holds, open_hdf5
from ptycho_host.data.formats.hdf5_writing import CodecOption, writing_hdf5
from ptycho_host.data.formats.metres import ELECTRONVOLT, PLANCK_TIMES_LIGHT, far_field_pixel, placed
from ptycho_host.data.formats.reading import finished, probe_file
from ptycho_host.data.formats.window import CentreOption, CropOption, Window
from ptycho_host.data.scan import BoolArray, ExperimentGeometry, Positions, Scan
from ptycho_host.errors import DataError

DETECTOR = "entry_1/instrument_1/detector_1"
SOURCE = "entry_1/instrument_1/source_1"
OURS = "entry_1/ptycho_host"
DATA = ("entry_1/data_1/data", f"{DETECTOR}/data")
TRANSLATION = (
    "entry_1/data_1/translation",
    "entry_1/sample_1/geometry_1/translation",
    f"{DETECTOR}/translation",
)
PROBE = (f"{SOURCE}/illumination", f"{SOURCE}/probe", f"{DETECTOR}/probe", "entry_1/image_1/data")
BAD_BITS = 0x7DF
"""Invalid, saturated, hot, dead, shadowed, ignored, bad, out of limits, missing, noisy; not: peak, corrected."""

XOption = Annotated[
    Literal["right", "left"] | None,
    Field(description="where the probe goes on the object, columns up or down, as x grows; none: the file says"),
]
YOption = Annotated[
    Literal["down", "up"] | None,
    Field(description="where the probe goes on the object, rows up or down, as y grows; none: the file says"),
]


class CxiReader:
    """Reads CXI files; patterns stay on disk until a batch asks for them."""

    def __init__(
        self,
        *,
        x: XOption = None,
        y: YOption = None,
        values: Annotated[Values, Field(description="what the patterns hold; detectors count intensity")] = "intensity",
        zero_frequency: Annotated[ZeroFrequency, Field(description="where the zero frequency is")] = "centre",
        probe: Annotated[
            Path | None, Field(description="file with the probe (.npy, or .npz with probeGuess) where the CXI has none")
        ] = None,
        mode: ModeOption = None,
        empty: EmptyOption = "refuse",
        negative: NegativeOption = "refuse",
        crop: CropOption = None,
        centre_y: CentreOption = None,
        centre_x: CentreOption = None,
    ) -> None:
        """Options of the reader."""
        self._window = Window(crop, centre_y, centre_x)
        self._directions = {"x": x, "y": y}
        self._convention = Convention(values, zero_frequency, negative=negative)
        self._probe = probe
        self._mode = mode
        self._empty = empty

    def recognises(self, path: Path) -> bool:
        """Whether the file is HDF5 with patterns and positions where CXI has them."""
        return any(holds(path, name) for name in DATA) and any(holds(path, name) for name in TRANSLATION)

    def read(self, path: Path) -> Scan:
        """The scan; raises DataError that names file, item and remedy."""
        with open_hdf5(path) as source:
            data, translation = _place(source, DATA), _place(source, TRANSLATION)
            check = ScanChecker(str(path), data, "probe", (translation, translation))
            whole = source.patterns(data)
            if self._window.asked_for and OURS in source.root:
                raise check.fail(data, "was cut to a square already", "crop probe and object with it: `ptycho prepare`")
            raw = self._window.cut(whole, self._convention, check)
            bad = _bad_pixels(source, check, whole.shape, self._window)
            patterns = check.patterns(raw, self._convention, bad, self._empty)
            geometry = _geometry(source, check, patterns.shape[-1])
            positions = self._positions(source, check, translation, geometry, patterns.shape)
            obj = source.optional("entry_1/image_2/data") if OURS in source.root else None
            known = None if obj is None else check.object(obj, "entry_1/image_2/data")
            scan = Scan(
                amplitudes=patterns,
                positions=positions,
                probe=check.probe(self._probe_array(source, check), patterns.shape[-1], self._mode),
                name=path.stem,
                bad_pixels=bad,
                **read_companion(source, OURS, check, patterns.shape[0], known, geometry),
            )
        return finished(scan, check, self._empty)

    def _positions(
        self, source: Hdf5Source, check: ScanChecker, key: str, geometry: ExperimentGeometry, shape: tuple[int, ...]
    ) -> Positions:
        metres = check.numbers(source.array(key), key, np.float64)
        if metres.ndim != 2 or metres.shape[0] != shape[0] or metres.shape[1] not in (2, 3):
            wrong = f"has shape {metres.shape} but there are {shape[0]} patterns"
            raise check.fail(key, wrong, "it must be (M, 3), a position a pattern in metres")
        columns_per_metre, rows_per_metre = self._axes(source, check, key, geometry)
        flat = metres[:, :2]
        pixels = np.stack([flat @ rows_per_metre, flat @ columns_per_metre], axis=1)
        origin = source.attribute(key, "origin_px")
        if origin is None:
            pixels = placed(pixels, shape[-1])
        else:
            pixels = pixels + check.numbers(origin, "origin_px", np.float64)
        return check.positions(pixels[:, 0], pixels[:, 1], shape[0])

    def _axes(
        self, source: Hdf5Source, check: ScanChecker, key: str, geometry: ExperimentGeometry
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Object columns and rows by which the probe moves a metre of translation in (x, y), each (2,)."""
        stated = {axis: source.attribute(key, f"{axis}_grows") for axis in ("x", "y")}
        chosen = {axis: self._directions[axis] or stated[axis] for axis in ("x", "y")}
        height, width = geometry.object_pixel_m
        basis = source.optional(f"{DETECTOR}/basis_vectors")
        if None not in chosen.values():
            signs = {axis: 1 if chosen[axis] in ("right", "down") else -1 for axis in ("x", "y")}
            return np.array([signs["x"] / width, 0.0]), np.array([0.0, signs["y"] / height])
        if basis is not None and basis.shape in ((3, 2), (2, 3)):
            rows, columns = check.numbers(basis if basis.shape == (2, 3) else basis.T, "basis_vectors", np.float64)[
                :, :2
            ]
            if np.linalg.norm(rows) > 0 and np.linalg.norm(columns) > 0:
                # The sample's way is the probe's, backwards.
                return -columns / np.linalg.norm(columns) / width, -rows / np.linalg.norm(rows) / height
        raise check.fail(
            key,
            "does not say where on the object the probe goes as x and y grow",
            "add --set data.reader.x=right --set data.reader.y=down as the CXI reference has it, or left, or up; where "
            "an object is known, `ptycho inspect` tells which explains the patterns",
        )

    def _probe_array(self, source: Hdf5Source, check: ScanChecker) -> NDArray[Any]:
        if self._probe is not None:
            return probe_file(self._probe)
        for name in PROBE:
            found = source.optional(name)
            if found is not None:
                return found
        raise check.fail("probe", "is in none of the usual places", "add --set data.reader.probe=FILE with an estimate")


class CxiWriter:
    """Writes CXI files, block by block, with probe and object where Ptychodus finds them."""

    def __init__(self, *, codec: CodecOption = "gzip") -> None:
        """Options of the writer."""
        self._codec = codec

    def write(self, scan: Scan, path: Path) -> None:
        """Write the scan atomically; without metres in the scan, nominal ones are written, and said to be so."""
        geometry = scan.geometry or NOMINAL
        energy, distance = geometry.photon_energy_ev, geometry.detector_distance_m
        height, width = geometry.object_pixel_m
        with writing_hdf5(path) as target:
            root = target.root
            root["cxi_version"] = 160
            root[f"{SOURCE}/energy"] = energy * ELECTRONVOLT
            root[f"{DETECTOR}/distance"] = distance
            root[f"{DETECTOR}/y_pixel_size"] = far_field_pixel(energy, distance, scan.pixels, height)
            root[f"{DETECTOR}/x_pixel_size"] = far_field_pixel(energy, distance, scan.pixels, width)
            stored = target.patterns(
                f"{DETECTOR}/data", scan.amplitudes, np.float64, self._codec, Convention().intensities
            )
            stored.attrs["axes"] = np.bytes_("translation:y:x")
            if scan.bad_pixels is not None:
                root[f"{DETECTOR}/mask"] = scan.bad_pixels.astype(np.uint32)
            side = scan.canvas_shape()
            centre = np.array(side) / 2
            place = "entry_1/sample_1/geometry_1/translation"
            metres = np.zeros((scan.count, 3))
            metres[:, 0] = (scan.positions[:, 1] - centre[1]) * width
            metres[:, 1] = (scan.positions[:, 0] - centre[0]) * height
            root[place] = metres
            root[place].attrs["x_grows"], root[place].attrs["y_grows"] = np.bytes_("right"), np.bytes_("down")
            root[place].attrs["origin_px"] = centre
            root["entry_1/data_1/data"] = h5py.SoftLink(f"/{DETECTOR}/data")
            root["entry_1/data_1/translation"] = h5py.SoftLink(f"/{place}")
            root["entry_1/image_1/data"] = scan.probe
            root[f"{SOURCE}/illumination"] = h5py.SoftLink("/entry_1/image_1/data")
            obj = known_object(scan)
            if obj is not None:
                root["entry_1/image_2/data"] = obj
            write_companion(root.create_group(OURS), scan)
            # What Ptychodus wants to know beyond CXI; it counts from the object's centre, as the translation does.
            for name in ("object", "probe"):
                root[f"entry_1/ptychodus/{name}_pixel_height_m"] = height
                root[f"entry_1/ptychodus/{name}_pixel_width_m"] = width
            root["entry_1/ptychodus/object_center_x_m"] = root["entry_1/ptychodus/object_center_y_m"] = 0.0
            root["entry_1/ptychodus/probe_position_indexes"] = np.arange(scan.count)


def _place(source: Hdf5Source, names: tuple[str, ...]) -> str:
    for name in names:
        if source.dataset(name) is not None:
            return name
    raise DataError(f"{source.path}: '{names[-1]}' is missing, and so is '{names[0]}'; is it a CXI file?")


def _bad_pixels(source: Hdf5Source, check: ScanChecker, shape: tuple[int, ...], window: Window) -> BoolArray | None:
    mask = source.optional(f"{DETECTOR}/mask")
    if mask is None or len(shape) != 3:
        return None
    if mask.dtype.kind not in "biu":
        raise check.fail(f"{DETECTOR}/mask", f"has dtype {mask.dtype}", "it must hold the bits of CXI, whole numbers")
    bits = mask if mask.dtype.kind == "b" else (mask & BAD_BITS) != 0
    if mask.shape != shape[1:]:
        wrong = f"has shape {mask.shape} for patterns of {shape[1]} x {shape[2]} pixels"
        raise check.fail(f"{DETECTOR}/mask", wrong, "give one value a pixel")
    y, x = window.slices(*mask.shape, check)
    return check.bad_pixels(bits[y, x], f"{DETECTOR}/mask", y.stop - y.start)


def _geometry(source: Hdf5Source, check: ScanChecker, pixels: int) -> ExperimentGeometry:
    def value(name: str) -> float | None:
        found = source.optional(name)
        return None if found is None else check.positive(found.ravel()[:1], name, 1)[0]

    energy, length = value(f"{SOURCE}/energy"), value(f"{SOURCE}/wavelength")
    if energy is None and length is not None:
        energy = PLANCK_TIMES_LIGHT / length
    distance = value(f"{DETECTOR}/distance")
    sides = [value(f"{DETECTOR}/{axis}_pixel_size") for axis in ("y", "x")]
    y_side, x_side = sides[0] or sides[1], sides[1] or sides[0]
    for name, found in (("energy", energy), ("distance", distance), ("x_pixel_size", x_side)):
        if found is None:
            remedy = "positions in metres need it to become pixels: store it, in SI units"
            raise check.fail(f"{SOURCE if name == 'energy' else DETECTOR}/{name}", "is missing", remedy)
    assert energy is not None
    assert distance is not None
    assert y_side is not None
    assert x_side is not None
    electronvolts = energy / ELECTRONVOLT
    if not 1 < electronvolts < 1e7:
        wrong = f"is {energy:g} J, {electronvolts:.3g} eV"
        raise check.fail(f"{SOURCE}/energy", wrong, "CXI wants the photon energy in joules")
    object_pixel = (
        far_field_pixel(electronvolts, distance, pixels, y_side),
        far_field_pixel(electronvolts, distance, pixels, x_side),
    )
    return ExperimentGeometry(object_pixel, electronvolts, distance)
