"""Measured scans that travel with the host, so that `--data NAME` works anywhere.

`siemens_star_64_small.npz`: 116 measured X-ray patterns of a Siemens star, from the test data of tike (UChicago
Argonne, licence beside the file).
"""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import as_file, files

from ptycho_host.contracts import DatasetFunction
from ptycho_host.data.formats.npz import NpzReader
from ptycho_host.data.scan import Scan


def siemens_star() -> DatasetFunction:
    """116 measured patterns of 64 x 64 pixels, about 439,000 photons each, median step 4.4 px, probe 34 px wide."""

    def read() -> Scan:
        with as_file(files(__name__) / "siemens_star_64_small.npz") as path:
            return replace(NpzReader().read(path), name="siemens_star")

    return read
