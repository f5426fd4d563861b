"""The NPZ contract: reader and writer of scans as NumPy archives, without pickles."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.atomic import replacing
from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.scan import ExperimentGeometry, Scan
from ptycho_host.errors import DataError, close_match_hint, quoted

REQUIRED = ("diff3d", "xcoords", "ycoords", "probeGuess")
GEOMETRY = ("objectPixelM", "photonEnergyEV", "detectorDistanceM")
OPTIONAL = ("objectGuess", "objectGuessIsTruth", *GEOMETRY, "metadata")

DEFLATE_AT_BEST = 1032
"""How many bytes a byte of a ZIP archive can stand for."""


class NpzReader:
    """Reads `diff3d` (M,N,N) amplitudes, `xcoords`, `ycoords` (M,), `probeGuess` (N,N) and what else is known.

    Optional: `objectGuess` (H,W), with `objectGuessIsTruth` for simulations; `objectPixelM` (2,), `photonEnergyEV`,
    `detectorDistanceM` together; `metadata`, JSON text. Other arrays are left alone.
    """

    def recognises(self, path: Path) -> bool:
        """Whether the file is a ZIP archive with the contract's keys."""
        try:
            with zipfile.ZipFile(path) as archive:
                return {f"{key}.npy" for key in REQUIRED} <= set(archive.namelist())
        except Exception:  # noqa: BLE001 - a damaged directory makes zipfile raise almost anything
            return False

    def read(self, path: Path) -> Scan:
        """The scan; raises DataError that names file, key and remedy."""
        check = ScanChecker(str(path))
        arrays = _load(path, check)
        amplitudes = check.amplitudes(arrays["diff3d"])
        known = check.object(arrays["objectGuess"], "objectGuess") if "objectGuess" in arrays else None
        is_truth = check.flag(arrays.get("objectGuessIsTruth", np.array(False)), "objectGuessIsTruth")
        scan = Scan(
            amplitudes=amplitudes,
            positions=check.positions(arrays["ycoords"], arrays["xcoords"], len(amplitudes)),
            probe=check.probe(arrays["probeGuess"], amplitudes.shape[-1]),
            truth=known if is_truth else None,
            reference=None if is_truth else known,
            name=path.stem,
            geometry=_geometry(arrays, check),
            metadata=_metadata(arrays, check),
        )
        return check.inside(scan)


class NpzWriter:
    """Writes the same keys, compressed; a truth becomes `objectGuess` with `objectGuessIsTruth` set."""

    def write(self, scan: Scan, path: Path) -> None:
        """Write the scan atomically."""
        arrays: dict[str, NDArray[Any]] = {
            "diff3d": scan.batch(slice(None)),
            "xcoords": scan.positions[:, 1],
            "ycoords": scan.positions[:, 0],
            "probeGuess": scan.probe,
        }
        known = scan.truth if scan.truth is not None else scan.reference
        if known is not None:
            arrays |= {"objectGuess": known, "objectGuessIsTruth": np.array(scan.truth is not None)}
        if scan.geometry is not None:
            arrays |= {
                "objectPixelM": np.array(scan.geometry.object_pixel_m),
                "photonEnergyEV": np.array(scan.geometry.photon_energy_ev),
                "detectorDistanceM": np.array(scan.geometry.detector_distance_m),
            }
        if scan.metadata:
            arrays["metadata"] = np.array(json.dumps(dict(scan.metadata)))
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _load(path: Path, check: ScanChecker) -> dict[str, NDArray[Any]]:
    """The contract's arrays that the archive holds, among them all required ones."""
    try:
        with zipfile.ZipFile(path) as archive:
            held = {name.removesuffix(".npy") for name in archive.namelist()}
            missing = [key for key in REQUIRED if key not in held]
            if missing:
                raise DataError(
                    f"{path}: {quoted(missing)} missing.{close_match_hint(missing[0], held)} It holds "
                    f"{quoted(sorted(held))}; the NPZ contract needs {quoted(REQUIRED)}."
                )
            largest = DEFLATE_AT_BEST * path.stat().st_size
            return {key: _array(archive, key, largest, check) for key in (*REQUIRED, *OPTIONAL) if key in held}
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}; check the path.") from error
    except Exception as error:
        if _is_npy(path):
            reason = "it holds a single array; save all arrays of the NPZ contract"
        else:
            reason = f"{error or type(error).__name__}; save plain arrays"
        raise DataError(f"{path} cannot be read as NPZ: {reason} with numpy.savez.") from error


def _array(archive: zipfile.ZipFile, key: str, largest: int, check: ScanChecker) -> NDArray[Any]:
    """One array; what its header claims is held against the archive before memory is taken for it."""
    remedy = "store plain numbers with numpy.savez"
    try:
        member = archive.getinfo(f"{key}.npy")
        with archive.open(member) as file:
            shape, dtype = _header(file)
            content = member.file_size - file.tell()
        claimed = math.prod(shape) * dtype.itemsize
        if dtype.hasobject:
            raise check.fail(key, "holds pickled Python objects", remedy)
        if claimed != content or not 0 <= member.file_size <= largest:
            raise check.fail(key, f"claims {claimed} bytes of {dtype} {shape}, which the file does not hold", remedy)
        with archive.open(member) as file:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except DataError:
        raise
    except Exception as error:
        raise check.fail(key, f"cannot be read ({error or type(error).__name__})", remedy) from error
    return array


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _is_npy(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX
    except OSError:
        return False


def _geometry(arrays: dict[str, NDArray[Any]], check: ScanChecker) -> ExperimentGeometry | None:
    missing = [key for key in GEOMETRY if key not in arrays]
    if len(missing) == len(GEOMETRY):
        return None
    if missing:
        raise check.fail(missing[0], "is missing", f"give all of {quoted(GEOMETRY)} or none")
    y, x = check.positive(arrays["objectPixelM"], "objectPixelM", 2)
    (energy,) = check.positive(arrays["photonEnergyEV"], "photonEnergyEV", 1)
    (distance,) = check.positive(arrays["detectorDistanceM"], "detectorDistanceM", 1)
    return ExperimentGeometry((y, x), energy, distance)


def _metadata(arrays: dict[str, NDArray[Any]], check: ScanChecker) -> dict[str, Any]:
    if "metadata" not in arrays:
        return {}
    try:
        metadata = json.loads(str(arrays["metadata"]))
    except (ValueError, RecursionError) as error:
        raise check.fail("metadata", f"is not JSON ({error})", "remove the key or store JSON text") from error
    return metadata if isinstance(metadata, dict) else {"metadata": metadata}
