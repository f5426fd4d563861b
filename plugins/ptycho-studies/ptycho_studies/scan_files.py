"""The scans of a study: simulated once, written as HDF5, from which training streams."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ptycho_host import Host, Scan, load_scan, write_scan


def kept_scan(path: Path, make: Callable[[], Scan], host: Host) -> Scan:
    """The scan in the file `path`, made and written first where there is none.

    Files are written whole or not at all, and the settings that they depend on stand in `study.json`.
    """
    if not path.exists():
        write_scan(make(), path, host=host)
    return load_scan(path, host=host)


def photon_text(photons: float) -> str:
    """A dose as people write it: `1e9`, `2.5e4`, `300`."""
    if photons < 1e3:
        return f"{photons:g}"
    mantissa, exponent = f"{photons:.6e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"
