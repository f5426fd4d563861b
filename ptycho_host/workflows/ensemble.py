"""The mean of what several runs make of one scan, and how sure of it they are together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ptycho_host.contracts import Reconstruction
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError
from ptycho_host.metrics.alignment import align
from ptycho_host.metrics.region import Region
from ptycho_host.metrics.uncertainty import ensemble_uncertainty
from ptycho_host.workflows.assembly import Assembly
from ptycho_host.workflows.run import Run


def assemble_ensemble(runs: Sequence[Run], scan: Scan, **choices: Any) -> Assembly:
    """As `Run.assemble`, with the same `choices`, by one run or as the mean of several; their seconds add up.

    Raises InputError when a run is named twice: it would agree with itself.
    """
    places = [run.path.resolve() for run in runs]
    for place in places:
        if places.count(place) > 1:
            raise InputError(f"{place} was named twice; an ensemble needs runs of different seeds.")
    members = [run.assemble(scan, **choices) for run in runs]
    if len(members) == 1:
        return members[0]
    return Assembly(
        ensemble_mean([member.reconstruction for member in members], scan),
        predict_seconds=sum(member.predict_seconds for member in members),
        stitch_seconds=sum(member.stitch_seconds for member in members),
        refine_seconds=sum(member.refine_seconds for member in members),
    )


def ensemble_mean(members: Sequence[Reconstruction], scan: Scan) -> Reconstruction:
    """The mean of the members' objects, each laid on the first by its constant phase and its amplitude scale.

    What is not an object (a refined probe, the course of a refinement) is the first one's. Raises ValueError for less
    than two.
    """
    aligned = [_laid_on(members[0], member) for member in members]
    coverage = np.asarray(np.mean([member.coverage for member in members], axis=0, dtype=np.float32))
    return replace(
        members[0],
        object=np.mean([member.object for member in aligned], axis=0).astype(np.complex64),
        coverage=coverage,
        notes=tuple(dict.fromkeys(note for member in members for note in member.notes)),
        spread=None,
        uncertainty=ensemble_uncertainty(aligned, coverage, scan),
    )


def _laid_on(first: Reconstruction, member: Reconstruction) -> Reconstruction:
    whole = Region.whole(first.object.shape)
    alignment = align(first.object, member.object, whole, weights=first.coverage)
    own = member.uncertainty
    if own is not None:
        own = replace(own, amplitude=own.amplitude * np.float32(alignment.amplitude_scale))
    return replace(member, object=alignment.object.astype(np.complex64), uncertainty=own)
