"""What a scan knows and another program's layout has no place for: kept in a group of our own beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import h5py
import numpy as np

from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.formats.hdf5 import read_arrays, write_arrays
from ptycho_host.data.formats.hdf5_reading import Hdf5Source
from ptycho_host.data.scan import ComplexArray, ExperimentGeometry, Scan

NOMINAL = ExperimentGeometry(object_pixel_m=(1e-8, 1e-8), photon_energy_ev=1e4, detector_distance_m=1.0)
"""Written, and said to be so, where the layout wants metres and the scan has none."""


def known_object(scan: Scan) -> ComplexArray | None:
    """The object that the layout's own place is for: the truth, or the reference."""
    return scan.truth if scan.truth is not None else scan.reference


def write_companion(group: h5py.Group, scan: Scan) -> None:
    """Write into an empty group what `read_companion` needs to make the same scan again."""
    known = "truth" if scan.truth is not None else "reference" if scan.reference is not None else "none"
    # Of fixed length: `Hdf5Source.attribute` reads no other texts.
    group.attrs["object"] = np.bytes_(known)
    group.attrs["geometry"] = np.bytes_("measured" if scan.geometry is not None else "nominal")
    if scan.geometry is not None and scan.geometry.origin_m is not None:
        group.attrs["origin_m"] = np.asarray(scan.geometry.origin_m)
    if scan.truth is not None and scan.reference is not None:
        group["reference"] = scan.reference
    if scan.metadata:
        group["metadata"] = np.bytes_(json.dumps(dict(scan.metadata)))
    write_arrays(group, "per_pattern", scan.per_pattern)
    write_arrays(group, "extras", scan.extras)


def read_companion(
    source: Hdf5Source,
    group: str,
    check: ScanChecker,
    count: int,
    obj: ComplexArray | None,
    geometry: ExperimentGeometry | None,
) -> dict[str, Any]:
    """Fields of the scan by name: `obj` as what it is, `geometry` unless nominal and with its origin, and the rest.

    In files of other programs, which have no such group, an object is a reference.
    """
    if group not in source.root:
        return {"reference": obj, "geometry": geometry}
    said = {key: source.attribute(group, key) for key in ("object", "geometry")}
    origin = source.attribute(group, "origin_m")
    if geometry is not None and origin is not None:
        geometry = replace(geometry, origin_m=check.pair(np.asarray(origin), f"{group}/origin_m"))
    other = source.optional(f"{group}/reference")
    reference = obj if said.get("object") == "reference" else None
    metadata = source.text(f"{group}/metadata")
    return {
        "truth": obj if said.get("object") == "truth" else None,
        "reference": reference if other is None else check.object(other, f"{group}/reference"),
        "geometry": None if said.get("geometry") == "nominal" else geometry,
        "metadata": {} if metadata is None else check.table(metadata, f"{group}/metadata"),
        "per_pattern": read_arrays(source, f"{group}/per_pattern", count),
        "extras": read_arrays(source, f"{group}/extras"),
    }
