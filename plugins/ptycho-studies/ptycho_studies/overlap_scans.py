"""The scans of the overlap study: one object under many positions or few, cut in two along y."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ptycho_host import Host, Scan, load_scan, simulate, write_scan
from ptycho_host.physics.illumination import disc_overlap, probe_diameter
from ptycho_host.preparation.selection import split
from ptycho_studies.overlap_settings import OverlapSettings
from ptycho_studies.scan_files import photon_text


@dataclass(frozen=True, slots=True)
class ScanHalves:
    """Files of the training and of the test side of a scan at one dose and one overlap."""

    train: Path
    test: Path

    @classmethod
    def named(cls, folder: Path, photons: float, overlap: float) -> ScanHalves:
        """Where they stand in the study's folder."""
        name = f"{photon_text(photons)}-overlap{overlap:g}"
        return cls(folder / "data" / f"{name}-train.h5", folder / "data" / f"{name}-test.h5")

    def made(self, settings: OverlapSettings, photons: float, overlap: float, host: Host) -> Scan:
        """Simulate and write what is missing; returns the training side, whose patterns stay on disk.

        Object, positions and photons come from streams of their own, so that the object is the same in all scans and
        the positions are the same at every dose.
        """
        if not (self.train.exists() and self.test.exists()):
            options = {
                "size": settings.size,
                "pixels": settings.pixels,
                "photons": photons,
                "scan": {"pattern": settings.pattern, "overlap": overlap},
            }
            scan = simulate("lines", options, seed=settings.data_seed, host=host)
            gap = settings.pixels / 2 if settings.gap is None else settings.gap
            for side, path in zip(split(scan, "y", settings.train_fraction, gap), (self.train, self.test), strict=True):
                write_scan(side, path, host=host)
        return load_scan(self.train, host=host, cache=0)


def measured_overlap(scan: Scan) -> float:
    """Mean common part of each probe disc with its nearest neighbour's, as a fraction of a disc."""
    return mean_overlap(scan.positions, probe_diameter(scan.probe))


def mean_overlap(positions: NDArray[np.float64], diameter: float) -> float:
    """Mean over positions (M, 2) of `disc_overlap` at the distance of the nearest other one; M at least 2."""
    distances = cKDTree(positions).query(positions, k=2)[0][:, 1]
    return float(np.mean([disc_overlap(float(distance), diameter) for distance in distances]))
