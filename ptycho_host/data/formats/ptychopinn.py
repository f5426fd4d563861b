"""Raw NPZ files of PtychoPINN: the contract's keys, but patterns of either axis order, amplitudes or intensities.

Keys: `xcoords`, `ycoords` (M,), `diff3d` or `diffraction` (M,N,N) or (N,N,M), `probeGuess` (N,N), and maybe
`objectGuess`, `xcoords_start`, `ycoords_start`, `scan_index`. The file does not say whether its patterns are
amplitudes or intensities; ours do, in `diff3dValues`, which PtychoPINN ignores.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.conventions import (
    Convention,
    EmptyOption,
    ModeOption,
    NegativeOption,
    PatternAxis,
    PatternAxisOption,
    Values,
    ValuesOption,
    ZeroFrequency,
)
from ptycho_host.data.formats.archive import CompressedOption, open_archive, shapes_of, write_archive
from ptycho_host.data.formats.npz import NAMED, contract_arrays, contract_scan, is_contract
from ptycho_host.data.scan import Scan
from ptycho_host.errors import DataError, quoted

PATTERNS = ("diff3d", "diffraction")
REQUIRED = ("xcoords", "ycoords", "probeGuess")
STATED = "diff3dValues"


class PtychopinnReader:
    """Reads raw files of PtychoPINN; what they leave open is told by options, and every other array is kept."""

    def __init__(
        self,
        *,
        values: ValuesOption = None,
        zero_frequency: Annotated[
            ZeroFrequency, Field(description="where the zero frequency is; PtychoPINN keeps it in the centre")
        ] = "centre",
        pattern_axis: PatternAxisOption = None,
        mode: ModeOption = None,
        empty: EmptyOption = "refuse",
        negative: NegativeOption = "refuse",
    ) -> None:
        """Options of the reader."""
        self._values = values
        self._zero_frequency = zero_frequency
        self._axis = pattern_axis
        self._mode = mode
        self._empty = empty
        self._negative = negative

    def recognises(self, path: Path) -> bool:
        """Whether the file is a ZIP archive with PtychoPINN's keys; neither the NPZ contract nor made by Ptychodus."""
        shapes = shapes_of(path)
        if not set(REQUIRED) <= shapes.keys() or "bad_pixels" in shapes:
            return False
        return any(key in shapes for key in PATTERNS) and not is_contract(shapes)

    def read(self, path: Path) -> Scan:
        """The scan; raises DataError that names file, key and remedy."""
        with open_archive(path, "PtychoPINN's raw data") as archive:
            held = archive.keys
            key = next((name for name in PATTERNS if name in held), None)
            missing = [name for name in REQUIRED if name not in held]
            if key is None or missing:
                wanted = missing or ["diff3d"]
                raise DataError(f"{path}: {quoted(wanted)} missing. It holds {quoted(sorted(held))}.")
            check = ScanChecker(str(path), key)
            named = (*NAMED, STATED)
            arrays = archive.arrays(key, named)
            axis = self._axis or _axis(archive.header(key).shape, arrays["xcoords"].shape, check, key)
            raw = archive.patterns(key, axis)
            left_out = [name for name in held if name != key and name not in arrays]
        values = self._values or _stated(arrays, check, key, raw.dtype)
        convention = Convention(values, self._zero_frequency, negative=self._negative)
        scan = contract_scan(raw, arrays, check, convention, mode=self._mode, empty=self._empty, named=named)
        return replace(scan, metadata={**scan.metadata, "pickles_left_out": left_out}) if left_out else scan


class PtychopinnWriter:
    """Writes raw files for PtychoPINN, block by block; start positions are the scan's where it has no others."""

    def __init__(
        self,
        *,
        values: Annotated[
            Values, Field(description="write amplitudes, as PtychoPINN does, or intensities")
        ] = "amplitude",
        pattern_axis: Annotated[PatternAxis, Field(description="which axis counts the patterns")] = "first",
        compressed: CompressedOption = True,
    ) -> None:
        """Options of the writer."""
        self._values = values
        self._axis: PatternAxis = pattern_axis
        self._compressed = compressed

    def write(self, scan: Scan, path: Path) -> None:
        """Write the scan atomically."""
        arrays = {
            "xcoords_start": scan.positions[:, 1],
            "ycoords_start": scan.positions[:, 0],
            **scan.extras,
            **scan.per_pattern,
            **contract_arrays(scan),
            STATED: np.array(self._values),
        }
        as_counts = self._values == "intensity"
        write_archive(
            path,
            arrays,
            "diff3d",
            scan.amplitudes,
            # Photon counts of single-precision amplitudes need double precision to give them back to the last bit.
            np.float64 if as_counts else np.float32,
            compressed=self._compressed,
            convert=Convention().intensities if as_counts else np.asarray,
            axis=self._axis,
        )


def _axis(shape: tuple[int, ...], positions: tuple[int, ...], check: ScanChecker, key: str) -> Literal["first", "last"]:
    """The axis that counts the patterns, if only one can."""
    fitting = []
    if len(shape) == 3 and positions:
        if shape[0] == positions[0] and shape[1] == shape[2]:
            fitting.append("first")
        if shape[2] == positions[0] and shape[0] == shape[1]:
            fitting.append("last")
    if len(fitting) == 2:
        remedy = "say which axis counts the patterns: --set data.reader.pattern_axis=first, or last"
        raise check.fail(key, f"has shape {shape}, and patterns as many as pixels", remedy)
    if not fitting:
        remedy = "it must be (M, N, N) or (N, N, M), one square pattern a position"
        raise check.fail(key, f"has shape {shape} for {positions[0] if positions else 0} positions", remedy)
    return "first" if fitting == ["first"] else "last"


def _stated(
    arrays: dict[str, NDArray[Any]], check: ScanChecker, key: str, dtype: np.dtype[Any]
) -> Literal["amplitude", "intensity"]:
    """What the file says of its values; raises DataError that says what to add when it says nothing."""
    if STATED in arrays:
        said = str(arrays[STATED])
        if said not in get_args(Values):
            raise check.fail(STATED, f"says {said!r}", "it must be 'amplitude' or 'intensity'")
        return "intensity" if said == "intensity" else "amplitude"
    hint = " (whole numbers, as photon counts are)" if dtype.kind in "iu" else ""
    raise check.fail(
        key,
        f"may hold amplitudes or intensities{hint}, and the file does not say which",
        "add --set data.reader.values=amplitude, or intensity",
    )
