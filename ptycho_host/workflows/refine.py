"""Iterative refinement of a scan by itself: from a uniform object, or from any other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ptycho_host.config import ComponentChoice
from ptycho_host.configured import ConfiguredComponent, configure
from ptycho_host.contracts import Progress, Reconstruction, RefineFunction
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError
from ptycho_host.physics.bad_pixels import filled
from ptycho_host.physics.illumination import illumination
from ptycho_host.physics.intensity import IntensityScale
from ptycho_host.plugins import Host
from ptycho_host.report.progress import SilentProgress
from ptycho_host.workflows.assembly import Assembly
from ptycho_host.workflows.refinement_start import refined_from
from ptycho_host.workflows.scans import load_scan


def refine(
    scan: Scan | str | Path,
    refiner: ComponentChoice | Mapping[str, Any] | str,
    *,
    start: Reconstruction | None = None,
    host: Host | None = None,
    progress: Progress | None = None,
) -> Reconstruction:
    """The object of a scan (or of the scan in a file or data set) after the refiner's epochs; no network.

    refiner: its name, or a table of its name and options. start: where it begins, on the scale of the scan's probe;
    None is `uniform_object`. Raises InputError for what does not exist or fit.
    """
    host = host or Host.discover()
    scan = filled(scan) if isinstance(scan, Scan) else load_scan(scan, host=host)
    return refined(scan, configure_refiner(host, refiner), start, progress or SilentProgress()).reconstruction


def refined(scan: Scan, refiner: ConfiguredComponent, start: Reconstruction | None, progress: Progress) -> Assembly:
    """As `refine`, with the seconds that it took."""
    built: RefineFunction = refiner.build()
    started = perf_counter()
    first = uniform_object(scan) if start is None else start
    if first.object.shape != scan.canvas_shape():
        raise InputError(
            f"the object to start from has {' x '.join(map(str, first.object.shape))} pixels, scan '{scan.name}' lies "
            f"on {' x '.join(map(str, scan.canvas_shape()))}; start from an object of that scan."
        )
    result = refined_from(built, scan, first, progress)
    return Assembly(result, predict_seconds=0.0, stitch_seconds=0.0, refine_seconds=perf_counter() - started)


def uniform_object(scan: Scan) -> Reconstruction:
    """The object of one value that explains the energy of the mean pattern; lit as the scan lights it.

    Raises DataError when all patterns or the probe are zero.
    """
    shape = scan.canvas_shape()
    light = illumination(scan.positions, scan.probe, shape)
    transmission = IntensityScale.of(scan).transmission
    return Reconstruction(np.full(shape, transmission, np.complex64), light / light.max())


def configure_refiner(host: Host, choice: ComponentChoice | Mapping[str, Any] | str) -> ConfiguredComponent:
    """The refiner that was named, with its options checked; raises InputErrors."""
    chosen = ComponentChoice.model_validate(choice)
    return configure(host, "refiner", chosen.name, chosen.options)
