"""A scan as Ptychodus works on it: patterns in `diffraction.h5`; probe, positions, object in `product.h5`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.conventions import Convention, EmptyOption, ModeOption, NegativeOption
from ptycho_host.data.formats.companion import NOMINAL, known_object, read_companion, write_companion
from ptycho_host.data.formats.hdf5_reading import Hdf5Source, holds, open_hdf5
from ptycho_host.data.formats.hdf5_writing import CodecOption, Hdf5Target, writing_hdf5
from ptycho_host.data.formats.metres import far_field_pixel
from ptycho_host.data.formats.reading import finished
from ptycho_host.data.scan import ComplexArray, ExperimentGeometry, Positions, Scan
from ptycho_host.errors import DataError, InputError
from ptycho_host.runs.product import PHOTON_COUNTS, POSITION_INDEXES
from ptycho_ptychodus.counts import as_counts, counts_dtype
from ptycho_ptychodus.relaxation import OPR_WEIGHTS, MeanProbe

DIFFRACTION, PRODUCT = "diffraction.h5", "product.h5"
DIFFRACTION_ITEMS = ("patterns", "indexes", "bad_pixels")
PRODUCT_ITEMS = ("object", "probe", POSITION_INDEXES, "probe_position_x_m", "probe_position_y_m")
OURS = "ptycho_host"


class WorkspaceReader:
    """Reads the two files together; patterns stay on disk until a batch asks for them."""

    def __init__(
        self,
        *,
        diffraction: Annotated[
            Path | None, Field(description="file with the patterns; none: diffraction.h5 beside the product")
        ] = None,
        product: Annotated[
            Path | None, Field(description="file with probe and positions; none: product.h5 beside the patterns")
        ] = None,
        mode: ModeOption = None,
        empty: EmptyOption = "refuse",
        negative: NegativeOption = "refuse",
    ) -> None:
        """Options of the reader."""
        self._diffraction = diffraction
        self._product = product
        self._mode = mode
        self._empty = empty
        self._convention = Convention("intensity", negative=negative)

    def recognises(self, path: Path) -> bool:
        """Whether it is a product, a diffraction file, or a folder with both."""
        try:
            if path.is_dir():
                return holds(path / DIFFRACTION, *DIFFRACTION_ITEMS) and holds(path / PRODUCT, *PRODUCT_ITEMS)
        except OSError:
            return False
        return holds(path, *PRODUCT_ITEMS) or holds(path, *DIFFRACTION_ITEMS)

    def read(self, path: Path) -> Scan:
        """The scan; raises DataError that names file, item and remedy."""
        diffraction, product = self._files(path)
        check = ScanChecker(str(diffraction), "patterns", "probe", ("probe_position_y_m", "probe_position_x_m"))
        with open_hdf5(diffraction) as source:
            raw = source.patterns("patterns")
            bad = None
            masked = source.optional("bad_pixels")
            if masked is not None and len(raw.shape) == 3:
                bad = check.bad_pixels(masked, "bad_pixels", raw.shape[-1])
            patterns = check.patterns(raw, self._convention, bad, self._empty)
            count, pixels = patterns.shape[0], patterns.shape[-1]
            indexes = _indexes(source, "indexes", check, count)
        with open_hdf5(product) as source:
            check.source = str(product)
            found = _Product.of(source, check, pixels, self._mode)
            fields = read_companion(source, OURS, check, count, found.object, found.geometry)
        if found.said:
            fields["metadata"] = {**fields.get("metadata", {}), "probe used": found.said}
        paired = _Paired.of(found, indexes, check)
        if fields["geometry"] is not None:
            fields["geometry"] = paired.geometry
        fields["per_pattern"] = {**fields.get("per_pattern", {}), **paired.kept}
        scan = Scan(patterns, paired.positions, found.probe, name=_name(path), bad_pixels=bad, **fields)
        return finished(scan, check, self._empty)

    def _files(self, path: Path) -> tuple[Path, Path]:
        """The diffraction file and the product that belong together."""
        if path.is_dir():
            diffraction, product = path / DIFFRACTION, path / PRODUCT
        elif holds(path, *PRODUCT_ITEMS):
            diffraction, product = self._diffraction or path.with_name(DIFFRACTION), path
        else:
            diffraction, product = path, self._product or path.with_name(PRODUCT)
        for file, items, option in (
            (product, PRODUCT_ITEMS, "product"),
            (diffraction, DIFFRACTION_ITEMS, "diffraction"),
        ):
            if not file.exists():
                raise DataError(
                    f"{path} is one of two files; add --set data.reader.{option}=FILE, or put {file} there."
                )
            if not holds(file, *items):
                raise DataError(f"{file} is no {option} file of Ptychodus: it lacks one of {', '.join(items)}.")
        return diffraction, product


class WorkspaceWriter:
    """Writes the two files into a folder, the patterns block by block as photon counts."""

    def __init__(self, *, codec: CodecOption = "gzip") -> None:
        """Options of the writer."""
        self._codec = codec

    def write(self, scan: Scan, path: Path) -> None:
        """Write the scan; both files are finished before either takes its place."""
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file, and the writer 'ptychodus' makes a folder; choose another name.")
        fresh = not path.exists()
        try:
            with writing_hdf5(path / DIFFRACTION) as diffraction, writing_hdf5(path / PRODUCT) as product:
                _write_diffraction(diffraction, scan, self._codec)
                _write_product(product.root, scan)
        except BaseException:
            if fresh and path.is_dir() and not any(path.iterdir()):
                path.rmdir()
            raise


@dataclass(frozen=True, slots=True)
class _Product:
    """What a product says; positions by index, in pixels of its object on our convention.

    canvas: whether a scan's canvas will be this object's. photon_counts: (n,) of the positions, where known. said: what
    of the probe is used, where it varies.
    """

    object: ComplexArray | None
    probe: ComplexArray
    indexes: NDArray[np.int64]
    positions: Positions
    geometry: ExperimentGeometry
    canvas: bool
    photon_counts: NDArray[np.float64] | None
    said: str

    @classmethod
    def of(cls, source: Hdf5Source, check: ScanChecker, pixels: int, mode: int | None) -> _Product:
        source.required("object")
        far_field = source.attribute("/", "far_field")
        if far_field is not None and not far_field.all():
            raise check.fail("far_field", "is False, and only far-field scans can be used", "take a far-field scan")
        obj = source.array("object")
        obj = obj[None] if obj.ndim == 2 else obj
        if obj.ndim != 3 or obj.size == 0:
            raise check.fail("object", f"has shape {obj.shape}", "it must be (layers, H, W)")
        height, width = (_attribute(source, "object", f"pixel_{side}_m", check) for side in ("height", "width"))
        centre_y, centre_x = (_attribute(source, "object", f"center_{axis}_m", check, positive=False) for axis in "yx")
        y, x = (check.numbers(source.array(f"probe_position_{axis}_m"), axis, np.float64).ravel() for axis in "yx")
        if len(y) != len(x):
            raise check.fail("probe_position_x_m", f"has {len(x)} values, y has {len(y)}", "write the file again")
        # Ptychodus counts from the first pixel's centre and has a patch's centre at (N - 1)/2.
        rows = (y - centre_y) / height + obj.shape[-2] / 2
        columns = (x - centre_x) / width + obj.shape[-1] / 2
        # Older versions of Ptychodus call it the probe's.
        energy_key = "probe_energy_eV" if "probe_energy_eV" in source.root.attrs else "photon_energy_eV"
        energy = _attribute(source, "/", energy_key, check)
        distance = _attribute(source, "/", "detector_object_distance_m", check)
        made_up = bool(np.array_equal(source.attribute(OURS, "object"), "none"))
        counts = source.optional(PHOTON_COUNTS)
        probe, weights = source.array("probe"), source.optional(OPR_WEIGHTS)
        if weights is not None:
            probe = check.numbers(probe, "probe", np.complex64)
            weights = check.numbers(weights, OPR_WEIGHTS, np.float64)
        try:
            mean = MeanProbe.of(probe, weights)
        except ValueError as error:
            raise check.fail(OPR_WEIGHTS, str(error), "write the file again with Ptychodus") from error
        return cls(
            # Several layers are no transmission of one plane.
            object=check.object(obj[0], "object") if len(obj) == 1 and not made_up else None,
            probe=check.probe(mean.modes, pixels, mode),
            indexes=_indexes(source, POSITION_INDEXES, check, len(y)),
            positions=np.stack([rows, columns], axis=1),
            geometry=ExperimentGeometry(
                (height, width),
                energy,
                distance,
                (centre_y - obj.shape[-2] / 2 * height, centre_x - obj.shape[-1] / 2 * width),
            ),
            canvas=len(obj) == 1 and (centre_y, centre_x) == (0, 0),
            photon_counts=None if counts is None else check.numbers(counts, PHOTON_COUNTS, np.float64).ravel(),
            said=" ".join(mean.said),
        )


@dataclass(frozen=True, slots=True)
class _Paired:
    """What a product says of each pattern, found by its index; several of an index are averaged as Ptychodus does."""

    positions: Positions
    geometry: ExperimentGeometry
    kept: dict[str, NDArray[Any]]

    @classmethod
    def of(cls, product: _Product, indexes: NDArray[np.int64], check: ScanChecker) -> _Paired:
        """Refuses patterns that the product has no position for."""
        known, places = np.unique(product.indexes, return_inverse=True)
        number = np.bincount(places)
        at = np.searchsorted(known, indexes).clip(max=len(known) - 1)
        missing = np.flatnonzero(known[at] != indexes)
        if len(missing):
            wrong = f"lacks {len(missing)} of the patterns' indexes (first: {int(indexes[missing[0]])})"
            raise check.fail(POSITION_INDEXES, wrong, "write a product for these patterns")

        def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
            averaged: NDArray[np.float64] = np.bincount(places, values) / number
            return averaged

        positions = np.stack([mean(product.positions[:, axis]) for axis in (0, 1)], axis=1)
        shift = np.zeros(2)
        if product.object is None:
            # Without an object there is no canvas, and the outermost patches may begin before pixel zero.
            shift = np.minimum(positions.min(axis=0) - product.probe.shape[-1] / 2, 0)
        y, x = (positions[at] - shift).T
        kept: dict[str, NDArray[Any]] = {POSITION_INDEXES: indexes}
        counts = product.photon_counts
        if counts is not None and len(counts) == len(product.indexes):
            kept[PHOTON_COUNTS] = mean(counts)[at]
        return cls(check.positions(y, x, len(indexes)), _moved(product, shift), kept)


def _moved(product: _Product, shift: NDArray[np.float64]) -> ExperimentGeometry:
    """The geometry on a canvas that begins at pixel `shift` of the product's object."""
    geometry = product.geometry
    if product.canvas and not shift.any():
        return replace(geometry, origin_m=None)
    assert geometry.origin_m is not None
    y, x = np.array(geometry.origin_m) + shift * geometry.object_pixel_m
    return replace(geometry, origin_m=(float(y), float(x)))


def _write_diffraction(target: Hdf5Target, scan: Scan, codec: Any) -> None:
    geometry = scan.geometry or NOMINAL
    patterns = target.patterns("patterns", scan.amplitudes, counts_dtype(scan), codec, as_counts)
    for side, pixel in zip(("height", "width"), geometry.object_pixel_m, strict=True):
        detector = far_field_pixel(geometry.photon_energy_ev, geometry.detector_distance_m, scan.pixels, pixel)
        patterns.attrs[f"detector_pixel_{side}_m"] = detector
    target.root["indexes"] = _indexes_of(scan)
    none = np.zeros((scan.pixels, scan.pixels), dtype=bool)
    target.root["bad_pixels"] = none if scan.bad_pixels is None else scan.bad_pixels


def _write_product(root: h5py.File, scan: Scan) -> None:
    geometry = scan.geometry or NOMINAL
    height, width = geometry.object_pixel_m
    obj = known_object(scan)
    comments = "Written by ptycho-host."
    if obj is None:
        obj = np.ones(scan.canvas_shape(), dtype=np.complex64)
        comments += " No object is known: a transparent one stands in."
    if scan.geometry is None:
        comments += " The scan has no metres: pixel size, energy and distance are nominal."
    root.attrs["name"], root.attrs["comments"] = scan.name, comments
    root.attrs["detector_object_distance_m"] = geometry.detector_distance_m
    root.attrs["photon_energy_eV"] = geometry.photon_energy_ev
    root.attrs["probe_photon_count"] = float(np.sum(np.abs(scan.probe.astype(np.complex128)) ** 2))
    for unknown in ("exposure_time_s", "mass_attenuation_m2_per_kg", "tomography_angle_deg"):
        root.attrs[unknown] = 0.0
    root["object"] = obj[np.newaxis]
    centre_y, centre_x = geometry.object_centre_m(obj.shape)
    root["object"].attrs["center_x_m"], root["object"].attrs["center_y_m"] = centre_x, centre_y
    root["probe"] = scan.probe[np.newaxis, np.newaxis]
    for name in ("object", "probe"):
        root[name].attrs["pixel_height_m"], root[name].attrs["pixel_width_m"] = height, width
    root["object_layer_spacing_m"] = np.zeros(0)
    root[POSITION_INDEXES] = _indexes_of(scan)
    root["probe_position_y_m"] = centre_y + (scan.positions[:, 0] - obj.shape[0] / 2) * height
    root["probe_position_x_m"] = centre_x + (scan.positions[:, 1] - obj.shape[1] / 2) * width
    if PHOTON_COUNTS in scan.per_pattern:
        root[PHOTON_COUNTS] = scan.per_pattern[PHOTON_COUNTS]
    others = {
        name: values for name, values in scan.per_pattern.items() if name not in (POSITION_INDEXES, PHOTON_COUNTS)
    }
    write_companion(root.create_group(OURS), replace(scan, per_pattern=others))


def _indexes_of(scan: Scan) -> NDArray[np.int64]:
    return scan.per_pattern.get(POSITION_INDEXES, np.arange(scan.count, dtype=np.int64))


def _indexes(source: Hdf5Source, name: str, check: ScanChecker, count: int) -> NDArray[np.int64]:
    found = source.array(name).ravel()
    if len(found) != count or found.dtype.kind not in "iu":
        raise check.fail(name, f"holds {len(found)} of {found.dtype}", f"{count} whole numbers are due")
    return found.astype(np.int64)


def _attribute(source: Hdf5Source, item: str, key: str, check: ScanChecker, *, positive: bool = True) -> float:
    value = source.attribute(item, key)
    if value is None:
        raise check.fail(key, "is missing", "write the file again with Ptychodus")
    if positive:
        return check.positive(value, key, 1)[0]
    return float(check.numbers(value, key, np.float64).ravel()[0])


def _name(path: Path) -> str:
    return path.resolve().parent.name if path.name in (DIFFRACTION, PRODUCT) else path.stem
