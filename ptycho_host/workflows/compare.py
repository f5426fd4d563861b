"""Runs of any back-end and reconstructions from files, judged alike and ranked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ptycho_host.contracts import Progress
from ptycho_host.data.scan import ComplexArray, Scan
from ptycho_host.errors import DataError, InputError, quoted
from ptycho_host.metrics.alignment import Complex, global_phase
from ptycho_host.metrics.comparison import ComparedScan, Comparison, Judgement, close_ranks, ranked
from ptycho_host.metrics.diffraction import diffraction_agreement, predicted_amplitudes
from ptycho_host.metrics.object_metrics import ObjectMetrics, object_metrics
from ptycho_host.metrics.region import Mask, Region, covered_pixels, covered_region
from ptycho_host.metrics.run_metrics import RunMetrics
from ptycho_host.plugins import Host
from ptycho_host.report.progress import SilentProgress
from ptycho_host.workflows.comparison_files import check_folder, write_comparison
from ptycho_host.workflows.comparison_rows import rows_of
from ptycho_host.workflows.comparison_sources import Source, on_canvas, open_source, open_truth, scan_of

SCALE_PATTERNS = 256
"""Patterns from which the amplitude scale of an object is taken before it is held against all of them."""


def compare(
    sources: Sequence[str | Path],
    *,
    truth: str | Path | None = None,
    out: str | Path | None = None,
    register: bool = False,
    remove_plane: bool = False,
    host: Host | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Measure run directories and reconstructions from files in one region against one truth, and rank them.

    The truth is that of the runs' own scan, which is loaded or simulated again; `truth` names a scan, data set,
    product or NPZ file to judge by instead. `register` and `remove_plane` lay a shifted object, or one with a linear
    phase, on the truth first. Writes tables, figures and a page into the new folder `out` unless it is None.
    Raises InputError, before anything is written, for what cannot be used or does not belong together.
    """
    host = host or Host.discover()
    given = [str(source) for source in sources]
    _check_names(given)
    if out is not None:
        check_folder(Path(out))
    opened = [open_source(name) for name in given]
    rows = rows_of(opened)
    progress = progress or SilentProgress()
    judged: dict[str, Judgement] = {}
    scans: list[ComparedScan] = []
    notes: list[str] = []
    for ground, members in _grounds(opened, None if truth is None else str(truth), host):
        placed = [(source, _placed(source, ground)) for source in members]
        region, covered = _common_region(ground, members)
        if not scans:
            progress.start("comparing", len(opened), "reconstructions")
        scans.append(ComparedScan(ground.name, ground.origin, region, ground.truth, ground.pixel_m))
        notes += ground.notes
        for source, obj in placed:
            against: ObjectMetrics | None = None
            if ground.truth is not None:
                against = object_metrics(
                    obj, ground.truth, region, covered=covered, register=register, remove_plane=remove_plane
                )
            judged[source.given] = _judgement(source, obj, ground, region, against, len(scans) - 1)
            progress.advance(1)
    progress.finish()
    comparison_rows, criterion = ranked(
        {name: [judged[source.given] for source in members] for name, members in rows.items()}
    )
    comparison = Comparison(comparison_rows, criterion, tuple(scans), (), register, remove_plane)
    comparison = _phases_together(replace(comparison, notes=(*dict.fromkeys(notes), *_remarks(comparison))))
    return comparison if out is None else write_comparison(comparison, Path(out), host)


@dataclass(frozen=True, slots=True, eq=False)
class _Ground:
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
        return self.scan.geometry.object_pixel_m[0] if self.scan is not None and self.scan.geometry else None


def _check_names(given: Sequence[str]) -> None:
    if not given:
        raise InputError("name at least one run directory or reconstruction to compare.")
    places = [Path(name).resolve() for name in given]
    for name, place in zip(given, places, strict=True):
        if places.count(place) > 1:
            raise InputError(f"{name} was given twice; name each run and file once.")


def _grounds(opened: Sequence[Source], truth: str | None, host: Host) -> Iterator[tuple[_Ground, list[Source]]]:
    """Each ground with the sources that are judged by it, loaded one after the other."""
    if truth is not None:
        yield _given_ground(truth, opened, host), list(opened)
        return
    by_scan = _by_scan(opened)
    for members in by_scan:
        first = next(source for source in members if source.run is not None)
        assert first.run is not None
        scan = scan_of(first, host)
        holder = f"the scan of {first.given} ({first.run.describe_scan()})"
        yield _Ground(scan.name, first.run.describe_scan(), holder, scan.canvas_shape(), scan.truth, scan), members


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


def _given_ground(given: str, opened: Sequence[Source], host: Host) -> _Ground:
    found = open_truth(given, host)
    if isinstance(found, Source):
        silent = "The object given as truth comes without patterns: nothing is said about diffraction."
        height, width = found.object.shape
        truth = _finite(found.object, given)
        return _Ground(Path(given).name, given, given, (height, width), truth, covered=found.covered(), notes=(silent,))
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
    return _Ground(found.name, given, given, found.canvas_shape(), known, found, notes=tuple(notes))


def _finite(truth: ComplexArray, given: str) -> ComplexArray:
    if not np.isfinite(truth).all():
        raise DataError(f"the object in {given} is not finite and so cannot be judged by; choose another --truth.")
    return truth


def _common_region(ground: _Ground, members: Sequence[Source]) -> tuple[Region, Mask]:
    """Where all reconstructions can be judged: what the scan lit well, or what all the files say they saw."""
    if ground.scan is not None:
        covered = covered_pixels(ground.scan, ground.shape)
    else:
        covered = np.ones(ground.shape, dtype=np.bool_)
        for mask in (ground.covered, *(source.covered() for source in members)):
            if mask is not None and mask.shape == ground.shape:
                covered &= mask
    return covered_region(covered), covered


def _placed(source: Source, ground: _Ground) -> ComplexArray:
    """The source's object on the ground's canvas; raises InputError when it does not belong there."""
    obj = on_canvas(source, ground.shape, ground.scan)
    if obj is None:
        (height, width), (rows, columns) = source.object.shape, ground.shape
        raise InputError(
            f"{source.given} holds an object of {height} x {width} pixels and {ground.holder} one of {rows} x "
            f"{columns}, and nothing tells how they lie on each other: they do not belong together."
        )
    return obj


def _judgement(
    source: Source, obj: ComplexArray, ground: _Ground, region: Region, against: ObjectMetrics | None, scan: int
) -> Judgement:
    agreement = None
    if ground.scan is not None:
        agreement = diffraction_agreement(_on_the_probes_scale(obj, ground.scan), ground.scan)
    run = source.run
    metrics = RunMetrics(region=region, object=against, diffraction=agreement).as_json()
    parts = {} if against is None else {"amplitude": against.amplitude, "phase": against.phase}
    # The alignment puts zeros for what is not a number; a figure shall show holes.
    aligned = obj if against is None else np.where(np.isfinite(obj), against.alignment.object, np.nan)
    return Judgement(
        source=source.given,
        seed=None if run is None else run.config.seed,
        scan=scan,
        metrics=metrics | ({} if run is None else dict(run.blocks)),
        object=aligned.astype(np.complex64),
        curves={name: part.frc for name, part in parts.items() if part.frc is not None},
    )


def _on_the_probes_scale(obj: Complex, scan: Scan) -> Complex:
    """The object times the factor with which it predicts the measured amplitudes best: no method can know it."""
    indices = np.unique(np.linspace(0, scan.count - 1, min(scan.count, SCALE_PATTERNS)).round().astype(np.int64))
    predicted = predicted_amplitudes(obj, scan, indices).astype(np.float64)
    energy = float(np.sum(predicted**2))
    if not (np.isfinite(energy) and energy > 0):
        return obj
    return obj * np.float32(np.sum(predicted * scan.batch(indices)) / energy)


def _phases_together(comparison: Comparison) -> Comparison:
    """Without a truth every object keeps its own constant phase; the figures need one for all, the best row's."""
    shown = comparison.examples()
    scan = comparison.scans[comparison.shown]
    if scan.truth is not None or not shown:
        return comparison
    inside = scan.region.slices
    first = np.nan_to_num(next(iter(shown.values())).object[inside])

    def turned(judgement: Judgement) -> Judgement:
        own = np.nan_to_num(judgement.object[inside])
        if own.shape != first.shape:
            return judgement
        turn = np.exp(1j * global_phase(first, own, np.ones(own.shape)))
        return replace(judgement, object=(judgement.object * turn).astype(np.complex64))

    rows = (replace(row, judgements=tuple(map(turned, row.judgements))) for row in comparison.rows)
    return replace(comparison, rows=tuple(rows))


def _remarks(comparison: Comparison) -> list[str]:
    """What a reader must know before she believes the ranking."""
    remarks = []
    if len(comparison.scans) > 1:
        remarks.append(f"{len(comparison.scans)} simulated scans: each run is judged by that of its own seed.")
        seen = {row.name: {judgement.scan for judgement in row.judgements} for row in comparison.rows}
        partly = [name for name, scans in seen.items() if len(scans) < len(comparison.scans)]
        if partly:
            remarks.append(f"Not judged by all of these scans, so not quite comparable: {', '.join(partly)}.")
    if comparison.criterion is not None:
        remarks += [
            f"'{one}' and '{next_one}' differ by less than they scatter over seeds: their order means little."
            for one, next_one in close_ranks(comparison.rows, comparison.criterion)
        ]
    return remarks
