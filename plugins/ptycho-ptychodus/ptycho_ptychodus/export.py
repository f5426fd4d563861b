"""What Ptychodus exports for PtychoPINN: NPZ with photon counts in `diff3d`, half a pixel beside PtychoPINN."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.conventions import Convention, EmptyOption, ModeOption, NegativeOption
from ptycho_host.data.formats.archive import CompressedOption, open_archive, shapes_of, write_archive
from ptycho_host.data.formats.npz import NAMED, contract_arrays, contract_scan
from ptycho_host.data.scan import Scan
from ptycho_host.errors import DataError, quoted
from ptycho_ptychodus.counts import as_counts, counts_dtype
from ptycho_ptychodus.training import HALF_A_PIXEL

MASK = "bad_pixels"
REQUIRED = ("diff3d", MASK, "xcoords", "ycoords", "probeGuess", "scan_index")


class ExportReader:
    """Reads the export; every other array is kept."""

    def __init__(
        self, *, mode: ModeOption = None, empty: EmptyOption = "refuse", negative: NegativeOption = "refuse"
    ) -> None:
        """Options of the reader."""
        self._mode = mode
        self._empty = empty
        self._convention = Convention("intensity", negative=negative)

    def recognises(self, path: Path) -> bool:
        """Whether the file is a ZIP archive with the arrays that Ptychodus exports."""
        return set(REQUIRED) <= shapes_of(path).keys()

    def read(self, path: Path) -> Scan:
        """The scan; raises DataError that names file, key and remedy."""
        check = ScanChecker(str(path))
        with open_archive(path, "Ptychodus's export") as archive:
            missing = [key for key in REQUIRED if key not in archive.keys]
            if missing:
                raise DataError(f"{path}: {quoted(missing)} missing. It holds {quoted(sorted(archive.keys))}.")
            raw = archive.patterns("diff3d")
            arrays = archive.arrays("diff3d", (*REQUIRED, *NAMED))
        return contract_scan(
            raw,
            arrays,
            check,
            self._convention,
            mode=self._mode,
            empty=self._empty,
            named=(*NAMED, MASK),
            mask=MASK,
            shift=HALF_A_PIXEL,
        )


class ExportWriter:
    """Writes the same arrays, block by block."""

    def __init__(self, *, compressed: CompressedOption = False) -> None:
        """Options of the writer."""
        self._compressed = compressed

    def write(self, scan: Scan, path: Path) -> None:
        """Write the scan atomically."""
        none = np.zeros((scan.pixels, scan.pixels), dtype=bool)
        x, y = (scan.positions[:, axis] - HALF_A_PIXEL for axis in (1, 0))
        arrays = {
            "xcoords_start": x,
            "ycoords_start": y,
            "scan_index": np.zeros(scan.count, dtype=np.int64),
            **scan.extras,
            **scan.per_pattern,
            **contract_arrays(scan),
            "xcoords": x,
            "ycoords": y,
            MASK: none if scan.bad_pixels is None else scan.bad_pixels,
            "probeGuess": scan.probe[np.newaxis],
        }
        arrays.pop("badPixels", None)
        write_archive(
            path,
            arrays,
            "diff3d",
            scan.amplitudes,
            counts_dtype(scan),
            compressed=self._compressed,
            convert=as_counts,
        )
