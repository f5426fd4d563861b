"""The last steps of every reader: what becomes of empty patterns, of arrays without a use, and a last check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.formats.archive import open_archive, single_array
from ptycho_host.data.patterns import LoadedPatterns, StoredPatterns, blocks
from ptycho_host.data.scan import Scan
from ptycho_host.errors import DataError, quoted


def split_extras(
    arrays: Mapping[str, NDArray[Any]], count: int
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Arrays that the host has no use for: those of the patterns, which are lists of `count` values, and the rest."""
    per_pattern = {key: array for key, array in arrays.items() if array.shape == (count,)}
    return per_pattern, {key: array for key, array in arrays.items() if key not in per_pattern}


def finished(scan: Scan, check: ScanChecker, empty: Literal["refuse", "drop", "keep"]) -> Scan:
    """The scan as the reader's option `empty` wants it, its patterns in memory if that is where the file left them.

    Patterns on disk are looked through once for `drop`, and checked when they are read otherwise. Raises DataError when
    a patch does not lie on the object.
    """
    patterns = scan.amplitudes
    if isinstance(patterns, StoredPatterns) and isinstance(patterns.raw, LoadedPatterns):
        scan = replace(scan, amplitudes=patterns[:])
    if empty == "drop":
        lit = lit_patterns(scan)
        if not lit.any():
            raise check.fail(check.amplitudes_key, "holds only empty patterns", "check the detector's export")
        if not lit.all():
            scan = scan.subset(np.flatnonzero(lit))
    return check.inside(scan)


def lit_patterns(scan: Scan) -> NDArray[np.bool_]:
    """Which patterns hold a photon, bool (M,); reads all of them once."""
    lit = [scan.batch(part).max(axis=(1, 2)) > 0 for part in blocks(scan.count, scan.pixels)]
    return np.concatenate(lit)


def probe_file(path: Path) -> NDArray[Any]:
    """The probe in a file of its own: .npy, or .npz with `probeGuess`; raises DataError."""
    if path.suffix.lower() == ".npz":
        with open_archive(path, "a probe, probeGuess,") as archive:
            if "probeGuess" not in archive.keys:
                raise DataError(f"{path}: 'probeGuess' is missing; it holds {quoted(archive.keys)}.")
            return archive.array("probeGuess")
    return single_array(path)
