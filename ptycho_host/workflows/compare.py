"""Runs of any back-end and reconstructions from files, judged alike and ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ptycho_host.contracts import Progress
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError
from ptycho_host.metrics.alignment import Complex, global_phase
from ptycho_host.metrics.comparison import ComparedScan, Comparison, Judgement, close_ranks, ranked
from ptycho_host.metrics.diffraction import diffraction_agreement, predicted_amplitudes
from ptycho_host.metrics.object_metrics import ObjectMetrics, object_metrics
from ptycho_host.metrics.region import Region
from ptycho_host.metrics.run_metrics import RunMetrics
from ptycho_host.physics.bad_pixels import without_bad_pixels
from ptycho_host.plugins import Host
from ptycho_host.report.progress import SilentProgress
from ptycho_host.workflows.comparison.files import check_folder, write_comparison
from ptycho_host.workflows.comparison.grounds import Placed, common_region, grounds, placed
from ptycho_host.workflows.comparison.rows import rows_of
from ptycho_host.workflows.comparison.sources import Source, open_source

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
    for ground, members in grounds(opened, None if truth is None else str(truth), host):
        objects = [(source, placed(source, ground)) for source in members]
        region, covered = common_region(ground, members)
        if not scans:
            progress.start("comparing", len(opened), "reconstructions")
        scans.append(ComparedScan(ground.name, ground.origin, region, ground.truth, ground.pixel_m))
        notes += ground.notes
        for source, made in objects:
            against: ObjectMetrics | None = None
            if ground.truth is not None:
                against = object_metrics(
                    made.object, ground.truth, region, covered=covered, register=register, remove_plane=remove_plane
                )
            judged[source.given] = _judgement(source, made, region, against, len(scans) - 1)
            progress.advance(1)
    progress.finish()
    comparison_rows, criterion = ranked(
        {name: [judged[source.given] for source in members] for name, members in rows.items()}
    )
    comparison = Comparison(comparison_rows, criterion, tuple(scans), (), register, remove_plane)
    comparison = _phases_together(replace(comparison, notes=(*dict.fromkeys(notes), *_remarks(comparison))))
    return comparison if out is None else write_comparison(comparison, Path(out), host)


def _check_names(given: Sequence[str]) -> None:
    if not given:
        raise InputError("name at least one run directory or reconstruction to compare.")
    places = [Path(name).resolve() for name in given]
    for name, place in zip(given, places, strict=True):
        if places.count(place) > 1:
            raise InputError(f"{name} was given twice; name each run and file once.")


def _judgement(source: Source, made: Placed, region: Region, against: ObjectMetrics | None, scan: int) -> Judgement:
    agreement, aligned = None, made.object
    if made.scan is not None:
        aligned = _on_the_probes_scale(made, made.scan)
        agreement = diffraction_agreement(aligned, made.scan, made.further_modes)
    if against is not None:
        # The alignment puts zeros for what is not a number; a figure shall show holes.
        aligned = np.where(np.isfinite(made.object), against.alignment.object, np.nan)
    run = source.run
    metrics = RunMetrics(region=region, object=against, diffraction=agreement).as_json()
    parts = {} if against is None else {"amplitude": against.amplitude, "phase": against.phase}
    return Judgement(
        source=source.given,
        seed=None if run is None else run.config.seed,
        scan=scan,
        metrics=metrics | ({} if run is None else dict(run.blocks)),
        object=aligned.astype(np.complex64),
        curves={name: part.frc for name, part in parts.items() if part.frc is not None},
    )


def _on_the_probes_scale(made: Placed, scan: Scan) -> Complex:
    """The object times the factor with which it predicts the measured amplitudes best: no method can know it."""
    indices = np.unique(np.linspace(0, scan.count - 1, min(scan.count, SCALE_PATTERNS)).round().astype(np.int64))
    predicted = predicted_amplitudes(made.object, scan, indices, made.further_modes).astype(np.float64)
    predicted = without_bad_pixels(predicted, scan.bad_pixels)
    energy = float(np.sum(predicted**2))
    if not (np.isfinite(energy) and energy > 0):
        return made.object
    return made.object * np.float32(np.sum(predicted * scan.batch(indices)) / energy)


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
