"""The NPZ contract: reader and writer of scans as NumPy archives, without pickles."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.conventions import Convention, EmptyOption, ModeOption
from ptycho_host.data.formats.archive import CompressedOption, open_archive, shapes_of, write_archive
from ptycho_host.data.formats.reading import finished, split_extras
from ptycho_host.data.patterns import LoadedPatterns, RawPatterns
from ptycho_host.data.scan import ExperimentGeometry, Scan
from ptycho_host.errors import DataError, close_match_hint, quoted

REQUIRED = ("diff3d", "xcoords", "ycoords", "probeGuess")
GEOMETRY = ("objectPixelM", "photonEnergyEV", "detectorDistanceM")
ORIGIN = "stageOriginM"
OPTIONAL = ("objectGuess", "objectGuessIsTruth", "referenceGuess", "badPixels", *GEOMETRY, ORIGIN, "metadata")
NAMED = (*REQUIRED, *OPTIONAL)

FOREIGN = frozenset({"xcoords_start", "ycoords_start", "scan_index", "bad_pixels", "_metadata", "diff3dValues"})
"""Keys of the raw files of PtychoPINN and Ptychodus, whose `diff3d` may hold intensities."""


def is_contract(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether arrays of these names and shapes are a file of the contract, and not a raw file of another program."""
    if not set(REQUIRED) <= shapes.keys() or FOREIGN & shapes.keys():
        return False
    patterns, positions = shapes["diff3d"], shapes["xcoords"]
    counted_last = len(patterns) == 3 and patterns[0] == patterns[1] and positions == patterns[2:] != patterns[:1]
    return not counted_last


class NpzReader:
    """Reads `diff3d` (M,N,N) amplitudes, `xcoords`, `ycoords` (M,), `probeGuess` (N,N) and what else is known.

    Optional: `objectGuess` (H,W), with `objectGuessIsTruth` for simulations, and then `referenceGuess`; `badPixels`
    (N,N); `objectPixelM` (2,), `photonEnergyEV`, `detectorDistanceM` together, and then `stageOriginM` (2,), where
    object coordinate (0, 0) lies; `metadata`, JSON text. Other arrays are kept for the writers. Patterns that are not
    compressed stay on disk.
    """

    def __init__(self, *, empty: EmptyOption = "refuse", mode: ModeOption = None) -> None:
        """Options of the reader."""
        self._empty = empty
        self._mode = mode

    def recognises(self, path: Path) -> bool:
        """Whether the file is a ZIP archive with the contract's keys, and nothing that says it is a raw file."""
        return is_contract(shapes_of(path))

    def read(self, path: Path) -> Scan:
        """The scan; raises DataError that names file, key and remedy."""
        check = ScanChecker(str(path))
        with open_archive(path, "the NPZ contract") as archive:
            held = archive.keys
            missing = [key for key in REQUIRED if key not in held]
            if missing:
                raise DataError(
                    f"{path}: {quoted(missing)} missing.{close_match_hint(missing[0], held)} It holds "
                    f"{quoted(sorted(held))}; the NPZ contract needs {quoted(REQUIRED)}."
                )
            raw = archive.patterns("diff3d")
            arrays = archive.arrays("diff3d", NAMED)
        return contract_scan(raw, arrays, check, mode=self._mode, empty=self._empty)


class NpzWriter:
    """Writes the same keys; a truth becomes `objectGuess` with `objectGuessIsTruth` set."""

    def __init__(self, *, compressed: CompressedOption = True) -> None:
        """Options of the writer."""
        self._compressed = compressed

    def write(self, scan: Scan, path: Path) -> None:
        """Write the scan atomically, the patterns block by block."""
        arrays = {**scan.extras, **scan.per_pattern, **contract_arrays(scan)}
        if FOREIGN & arrays.keys():
            # With keys of a raw file beside it, the file has to say that it keeps the contract.
            arrays["diff3dValues"] = np.array("amplitude")
        write_archive(path, arrays, "diff3d", scan.amplitudes, np.float32, compressed=self._compressed)


def contract_scan(
    raw: RawPatterns,
    arrays: Mapping[str, NDArray[Any]],
    check: ScanChecker,
    convention: Convention | None = None,
    *,
    mode: int | None,
    empty: Literal["refuse", "drop", "keep"],
    named: Collection[str] = NAMED,
    mask: str = "badPixels",
    shift: float = 0.0,
) -> Scan:
    """The scan of an archive's patterns and of its other arrays under the contract's keys; raises DataError.

    What is not `named` is kept for the writers. mask: the key of the bad pixels. shift: what positions lack along both
    axes, in object pixels. mode, empty: the options of readers.
    """
    bad = None
    if mask in arrays and len(raw.shape) == 3:
        bad = check.bad_pixels(arrays[mask], mask, raw.shape[-1])
    patterns = check.patterns(raw, convention, bad, empty)
    if not isinstance(raw, LoadedPatterns):
        patterns.look_through()
    count, *_, pixels = patterns.shape
    per_pattern, extras = split_extras({key: array for key, array in arrays.items() if key not in named}, count)
    scan = Scan(
        amplitudes=patterns,
        positions=check.positions(arrays["ycoords"], arrays["xcoords"], count) + shift,
        probe=check.probe(arrays["probeGuess"], pixels, mode),
        name=Path(check.source).stem,
        bad_pixels=bad,
        **_known_besides(arrays, check),
        per_pattern=per_pattern,
        extras=extras,
    )
    return finished(scan, check, empty)


def _known_besides(arrays: Mapping[str, NDArray[Any]], check: ScanChecker) -> dict[str, Any]:
    """Objects, geometry and metadata of a scan, as far as the archive holds them, by the names of the scan's fields."""
    known = check.object(arrays["objectGuess"], "objectGuess") if "objectGuess" in arrays else None
    other = check.object(arrays["referenceGuess"], "referenceGuess") if "referenceGuess" in arrays else None
    is_truth = check.flag(arrays.get("objectGuessIsTruth", np.array(False)), "objectGuessIsTruth")
    return {
        "truth": known if is_truth else None,
        "reference": other if is_truth else known,
        "geometry": _geometry(arrays, check),
        "metadata": check.table(str(arrays["metadata"]), "metadata") if "metadata" in arrays else {},
    }


def contract_arrays(scan: Scan) -> dict[str, NDArray[Any]]:
    """What the contract has a key for, except the patterns."""
    arrays: dict[str, NDArray[Any]] = {
        "xcoords": scan.positions[:, 1],
        "ycoords": scan.positions[:, 0],
        "probeGuess": scan.probe,
    }
    known = scan.truth if scan.truth is not None else scan.reference
    if known is not None:
        arrays |= {"objectGuess": known, "objectGuessIsTruth": np.array(scan.truth is not None)}
    if scan.truth is not None and scan.reference is not None:
        arrays["referenceGuess"] = scan.reference
    if scan.bad_pixels is not None:
        arrays["badPixels"] = scan.bad_pixels
    if scan.geometry is not None:
        arrays |= {
            "objectPixelM": np.array(scan.geometry.object_pixel_m),
            "photonEnergyEV": np.array(scan.geometry.photon_energy_ev),
            "detectorDistanceM": np.array(scan.geometry.detector_distance_m),
        }
        if scan.geometry.origin_m is not None:
            arrays[ORIGIN] = np.array(scan.geometry.origin_m)
    if scan.metadata:
        arrays["metadata"] = np.array(json.dumps(dict(scan.metadata)))
    return arrays


def _geometry(arrays: Mapping[str, NDArray[Any]], check: ScanChecker) -> ExperimentGeometry | None:
    missing = [key for key in GEOMETRY if key not in arrays]
    if len(missing) == len(GEOMETRY) and ORIGIN not in arrays:
        return None
    if missing:
        raise check.fail(missing[0], "is missing", f"give all of {quoted(GEOMETRY)} or none")
    y, x = check.positive(arrays["objectPixelM"], "objectPixelM", 2)
    (energy,) = check.positive(arrays["photonEnergyEV"], "photonEnergyEV", 1)
    (distance,) = check.positive(arrays["detectorDistanceM"], "detectorDistanceM", 1)
    origin = check.pair(arrays[ORIGIN], ORIGIN) if ORIGIN in arrays else None
    return ExperimentGeometry((y, x), energy, distance, origin)
