"""Training data of Ptychodus: patterns, probe, positions in pixels and object in one HDF5 file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.conventions import Convention, EmptyOption, ModeOption, NegativeOption
from ptycho_host.data.formats.companion import NOMINAL, known_object, read_companion, write_companion
from ptycho_host.data.formats.hdf5_reading import holds, open_hdf5
from ptycho_host.data.formats.hdf5_writing import CodecOption, writing_hdf5
from ptycho_host.data.formats.reading import finished
from ptycho_host.data.scan import ExperimentGeometry, Scan
from ptycho_ptychodus.counts import as_counts, counts_dtype

ITEMS = ("patterns", "bad_pixels", "probe", "object", "probe_position_x_px", "probe_position_y_px")
LENGTHS = ("object_pixel_height_m", "object_pixel_width_m", "photon_energy_eV", "detector_object_distance_m")
OURS = "ptycho_host"
HALF_A_PIXEL = 0.5
"""A patch's centre lies at (N - 1)/2 in Ptychodus and at N/2 here."""


class TrainingReader:
    """Reads training data; patterns stay on disk until a batch asks for them."""

    def __init__(
        self, *, mode: ModeOption = None, empty: EmptyOption = "refuse", negative: NegativeOption = "refuse"
    ) -> None:
        """Options of the reader."""
        self._mode = mode
        self._empty = empty
        self._convention = Convention("intensity", negative=negative)

    def recognises(self, path: Path) -> bool:
        """Whether the file holds patterns and positions in pixels under Ptychodus's names."""
        return holds(path, *ITEMS)

    def read(self, path: Path) -> Scan:
        """The scan; raises DataError that names file, item and remedy."""
        check = ScanChecker(str(path), "patterns", "probe", ("probe_position_y_px", "probe_position_x_px"))
        with open_hdf5(path) as source:
            raw = source.patterns("patterns")
            bad = check.bad_pixels(source.array("bad_pixels"), "bad_pixels", raw.shape[-1])
            patterns = check.patterns(raw, self._convention, bad, self._empty)
            y, x = (source.array(f"probe_position_{axis}_px").ravel() for axis in "yx")
            height, width, energy, distance = (check.positive(source.array(name), name, 1)[0] for name in LENGTHS)
            made_up = bool(np.array_equal(source.attribute(OURS, "object"), "none"))
            obj = source.array("object")
            known = None if made_up else check.object(obj[0] if obj.ndim == 3 and len(obj) == 1 else obj, "object")
            scan = Scan(
                amplitudes=patterns,
                positions=check.positions(y, x, patterns.shape[0]) + HALF_A_PIXEL,
                probe=check.probe(source.array("probe"), patterns.shape[-1], self._mode),
                name=path.stem,
                bad_pixels=bad,
                **read_companion(
                    source,
                    OURS,
                    check,
                    patterns.shape[0],
                    known,
                    ExperimentGeometry((height, width), energy, distance),
                ),
            )
        return finished(scan, check, self._empty)


class TrainingWriter:
    """Writes training data, the patterns block by block as photon counts."""

    def __init__(self, *, codec: CodecOption = "gzip") -> None:
        """Options of the writer."""
        self._codec = codec

    def write(self, scan: Scan, path: Path) -> None:
        """Write the scan atomically."""
        geometry = scan.geometry or NOMINAL
        obj = known_object(scan)
        with writing_hdf5(path) as target:
            root = target.root
            target.patterns("patterns", scan.amplitudes, counts_dtype(scan), self._codec, as_counts)
            none = np.zeros((scan.pixels, scan.pixels), dtype=bool)
            root["bad_pixels"] = none if scan.bad_pixels is None else scan.bad_pixels
            root["probe"] = scan.probe[np.newaxis]
            root["object"] = np.ones(scan.canvas_shape(), dtype=np.complex64) if obj is None else obj
            for axis, name in enumerate(("y", "x")):
                root[f"probe_position_{name}_px"] = scan.positions[:, axis] - HALF_A_PIXEL
            lengths = (*geometry.object_pixel_m, geometry.photon_energy_ev, geometry.detector_distance_m)
            for name, value in zip(LENGTHS, lengths, strict=True):
                root[name] = value
            write_companion(root.create_group(OURS), scan)
