"""By what reconstructions are judged, and how they lie on it: a scan, a true object, or both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ptycho_host.configured import configure
from ptycho_host.data.scan import ComplexArray, Scan
from ptycho_host.errors import DataError, InputError, quoted
from ptycho_host.metrics.region import Mask, Region, covered_pixels, covered_region
from ptycho_host.plugins import Host
from ptycho_host.runs.product import Product
from ptycho_host.workflows.comparison.sources import Source, read_object
from ptycho_host.workflows.scans import load_scan, run_simulator

MOST_MOVED = 1 / 16
"""Root mean square of the way that a method may have moved positions, as a part of the patterns' side."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What reconstructions are judged by: a scan, a true object (H, W), or both; `holder` names it in messages."""

    name: str
    origin: str
    holder: str
    shape: tuple[int, int]
    truth: ComplexArray | None = field(default=None, repr=False)
    scan: Scan | None = field(default=None, repr=False)
    covered: Mask | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def pixel_m(self) -> float | None:
        """Side of an object pixel in metres, where the scan tells."""
        return self.scan.geometry.object_pixel_m[0] if self.scan is not None and self.scan.geometry else None


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A reconstruction on the canvas of its ground.

    object: (H, W) complex64. scan: the ground's, with the positions and the probe that the object was made with, as far
    as its product tells them; None where the ground has none. further_modes: (K, N, N) complex64 of that probe.
    """

    object: ComplexArray = field(repr=False)
    scan: Scan | None = field(default=None, repr=False)
    further_modes: ComplexArray | None = field(default=None, repr=False)


def grounds(opened: Sequence[Source], truth: str | None, host: Host) -> Iterator[tuple[Ground, list[Source]]]:
    """Each ground with the sources that are judged by it, loaded one after the other."""
    if truth is not None:
        yield _given_ground(truth, opened, host), list(opened)
        return
    for members in _by_scan(opened):
        first = next(source for source in members if source.run is not None)
        assert first.run is not None
        scan = _scan_of(first, host)
        holder = f"the scan of {first.given} ({first.run.describe_scan()})"
        yield Ground(scan.name, first.run.describe_scan(), holder, scan.canvas_shape(), scan.truth, scan), members


def _by_scan(opened: Sequence[Source]) -> list[list[Source]]:
    """Sources of the same scan together; raises InputError that names two which do not belong together."""
    groups: dict[tuple[str, ...], list[Source]] = {}
    for source in opened:
        if source.run is not None:
            groups.setdefault(source.run.scan_key, []).append(source)
    files = [source for source in opened if source.run is None]
    if not groups:
        raise InputError(
            f"there is nothing to judge {quoted([source.given for source in files])} by; name the scan or the true "
            "object with --truth FILE, or add a run of the same scan."
        )
    (first, *_), *others = groups.values()
    for other, *_ in others:
        assert first.run is not None
        assert other.run is not None
        described = f"{first.given} ({first.run.describe_scan()}) and {other.given} ({other.run.describe_scan()})"
        # The same simulation under several seeds: each run has a scan of its own, of one kind.
        if first.run.simulation is None or first.run.simulation != other.run.simulation:
            raise InputError(
                f"{described} are of different scans; compare runs of one scan, or name one object to judge both by "
                "with --truth FILE."
            )
        if files:
            raise InputError(
                f"{described} are of different simulated scans, so it is not clear by which of them to judge "
                f"{files[0].given}; compare it with runs of one seed, or add --truth FILE."
            )
    if files:
        groups[next(iter(groups))] += files
    return list(groups.values())


def _given_ground(given: str, opened: Sequence[Source], host: Host) -> Ground:
    found = _open_truth(given, host)
    if isinstance(found, Source):
        silent = "The object given as truth comes without patterns: nothing is said about diffraction."
        height, width = found.object.shape
        truth = _finite(found.object, given)
        return Ground(Path(given).name, given, given, (height, width), truth, covered=found.covered(), notes=(silent,))
    notes = []
    if found.truth is None:
        told = "a reconstruction by somebody, which is taken for the truth" if found.reference is not None else None
        notes.append(f"{given} holds {told or 'no true object: judged by its patterns alone'}.")
    fingerprint = found.fingerprint()
    strange = [
        source.given
        for source in opened
        if source.run is not None and source.run.config.data.test is None and source.run.fingerprint != fingerprint
    ]
    if strange:
        notes.append(f"{', '.join(strange)}: not made from the data in {given}.")
    known = found.truth if found.truth is not None else found.reference
    return Ground(found.name, given, given, found.canvas_shape(), known, found, notes=tuple(notes))


def _finite(truth: ComplexArray, given: str) -> ComplexArray:
    if not np.isfinite(truth).all():
        raise DataError(f"the object in {given} is not finite and so cannot be judged by; choose another --truth.")
    return truth


def common_region(ground: Ground, members: Sequence[Source]) -> tuple[Region, Mask]:
    """Where all reconstructions can be judged: what the scan lit well, or what all the files say they saw."""
    if ground.scan is not None:
        covered = covered_pixels(ground.scan, ground.shape)
    else:
        covered = np.ones(ground.shape, dtype=np.bool_)
        for mask in (ground.covered, *(source.covered() for source in members)):
            if mask is not None and mask.shape == ground.shape:
                covered &= mask
    return covered_region(covered), covered


def placed(source: Source, ground: Ground) -> Placed:
    """The source on the ground's canvas; raises InputError when it does not belong there."""
    product = source.product
    offset = None if product is None or ground.scan is None else _offset(product, ground.scan)
    obj = _on_canvas(source.object, ground.shape, offset)
    if obj is None:
        (height, width), (rows, columns) = source.object.shape, ground.shape
        raise InputError(
            f"{source.given} holds an object of {height} x {width} pixels and {ground.holder} one of {rows} x "
            f"{columns}, and nothing tells how they lie on each other: they do not belong together."
        )
    scan = ground.scan
    if scan is None or product is None:
        return Placed(obj, scan)
    if offset is not None:
        scan = replace(scan, positions=product.positions + offset)
    if product.probe.shape != scan.probe.shape or not np.isfinite(product.modes).all():
        return Placed(obj, scan)
    return Placed(obj, replace(scan, probe=product.probe), product.modes[1:])


def _scan_of(source: Source, host: Host) -> Scan:
    """The scan that a run reconstructed, loaded or simulated again.

    Raises InputError, with `--truth` as the way out, when that is not possible or gives other data.
    """
    run, product = source.run, source.product
    assert run is not None
    assert product is not None
    config = run.config
    try:
        if config.data.test is not None:
            scan = load_scan(config.data.test, host=host)
        elif config.data.source is not None:
            scan = load_scan(config.data.source, host=host, reader=config.data.reader, limit=config.data.limit)
        else:
            chosen = configure(host, "simulator", config.simulator.name, config.simulator.options)
            scan = run_simulator(chosen, config.seed, host=host, probe_from=config.data.probe_from)
    except InputError as error:
        message = f"the scan of {source.given} cannot be had again: {error} Or name it with --truth FILE."
        raise type(error)(message) from error
    # Of a test scan no fingerprint is kept, but the product holds its positions.
    same = scan.fingerprint() == run.fingerprint if config.data.test is None else _offset(product, scan) == (0, 0)
    if not same:
        raise DataError(
            f"the data of {source.given} ({run.describe_scan()}) are not those it was made from; restore them, or "
            "name the scan or the object to judge by with --truth FILE."
        )
    return scan


def _on_canvas(obj: ComplexArray, shape: tuple[int, int], offset: tuple[int, int] | None) -> ComplexArray | None:
    """An object (H, W) laid on the canvas of `shape`; None when it does not belong there.

    Moved by the whole pixels of the offset, where that is known; where it has nothing the canvas stays zero.
    """
    if offset is None or (offset == (0, 0) and obj.shape == shape):
        return obj if obj.shape == shape else None
    canvas = np.zeros(shape, dtype=np.complex64)
    (top, left), (height, width) = offset, obj.shape
    rows = slice(max(top, 0), min(top + height, shape[0]))
    columns = slice(max(left, 0), min(left + width, shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    kept = obj[rows.start - top :, columns.start - left :]
    canvas[rows, columns] = kept[: rows.stop - rows.start, : columns.stop - columns.start]
    return canvas


def _offset(product: Product, scan: Scan) -> tuple[int, int] | None:
    """Whole pixels (y, x) from the product's canvas to the scan's; None when the positions are not the scan's."""
    if product.positions.shape != scan.positions.shape:
        return None
    offsets = scan.positions - product.positions
    mean = offsets.mean(axis=0)
    # An iterative method may have refined the positions.
    moved = np.sqrt(np.square(offsets - mean).sum(axis=1).mean())
    if moved > MOST_MOVED * scan.pixels:
        return None
    return round(float(mean[0])), round(float(mean[1]))


def _open_truth(given: str, host: Host) -> Scan | Source:
    """The scan, or else the object, in the file or data set that `--truth` names; raises InputError."""
    try:
        return load_scan(given, host=host)
    except InputError as no_scan:
        path = Path(given)
        if not path.is_file():
            raise
        try:
            return read_object(given, path)
        except DataError as no_object:
            raise no_object from no_scan
