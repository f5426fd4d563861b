"""The NPZ contract: reader and writer of scans as NumPy archives, without pickles."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.atomic import replacing
from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.scan import ExperimentGeometry, Scan
from ptycho_host.errors import DataError, close_match_hint, quoted

REQUIRED = ("diff3d", "xcoords", "ycoords", "probeGuess")


class NpzReader:
    """Reads `diff3d` (M,N,N) amplitudes, `xcoords`, `ycoords` (M,), `probeGuess` (N,N) and what else is known.

    Optional: `objectGuess` (H,W), with `objectGuessIsTruth` for simulations; `objectPixelM` (2,), `photonEnergyEV`,
    `detectorDistanceM` together; `metadata`, JSON text.
    """

    def recognises(self, path: Path) -> bool:
        """Whether the file is a ZIP archive with the contract's keys."""
        try:
            with zipfile.ZipFile(path) as archive:
                return {f"{key}.npy" for key in REQUIRED} <= set(archive.namelist())
        except (OSError, zipfile.BadZipFile):
            return False

    def read(self, path: Path) -> Scan:
        """The scan; raises DataError that names file, key and remedy."""
        arrays = _load(path)
        missing = [key for key in REQUIRED if key not in arrays]
        if missing:
            raise DataError(
                f"{path}: {quoted(missing)} missing.{close_match_hint(missing[0], arrays)} It holds "
                f"{quoted(sorted(arrays))}; the NPZ contract needs {quoted(REQUIRED)}."
            )
        check = ScanChecker(str(path))
        amplitudes = check.amplitudes(arrays["diff3d"])
        known = check.object(arrays["objectGuess"], "objectGuess") if "objectGuess" in arrays else None
        is_truth = bool(arrays.get("objectGuessIsTruth", np.False_))
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


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path} holds a single array; save all arrays of the NPZ contract with numpy.savez.")
            return {key: archive[key] for key in archive.files}
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}; check the path.") from error
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as NPZ ({error}); save plain arrays with numpy.savez.") from error


def _geometry(arrays: dict[str, NDArray[Any]], check: ScanChecker) -> ExperimentGeometry | None:
    if "objectPixelM" not in arrays:
        return None
    try:
        y, x = (float(side) for side in arrays["objectPixelM"])
        return ExperimentGeometry((y, x), float(arrays["photonEnergyEV"]), float(arrays["detectorDistanceM"]))
    except (KeyError, TypeError, ValueError) as error:
        raise check.fail(
            "objectPixelM, photonEnergyEV, detectorDistanceM", f"do not hold ({error})", "give all three or none"
        ) from error


def _metadata(arrays: dict[str, NDArray[Any]], check: ScanChecker) -> dict[str, Any]:
    if "metadata" not in arrays:
        return {}
    try:
        metadata = json.loads(str(arrays["metadata"]))
    except ValueError as error:
        raise check.fail("metadata", f"is not JSON ({error})", "remove the key or store JSON text") from error
    return metadata if isinstance(metadata, dict) else {"metadata": metadata}
