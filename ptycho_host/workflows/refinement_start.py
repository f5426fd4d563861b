"""A refiner's start, where nothing is known of the object."""

from __future__ import annotations

from dataclasses import replace

from scipy import ndimage

from ptycho_host.contracts import Progress, Reconstruction, RefineFunction
from ptycho_host.data.scan import Scan


def refined_from(refine: RefineFunction, scan: Scan, start: Reconstruction, progress: Progress) -> Reconstruction:
    """What the refiner makes of the start; the spread of the patches says nothing about it any more."""
    return replace(refine(scan, without_gaps(start), progress), spread=None, uncertainty=None)


def without_gaps(start: Reconstruction) -> Reconstruction:
    """The start with the value of the nearest pixel where no patch contributed.

    The tails of a measured probe reach these pixels. Zeros would be an opaque frame around the object, and any other
    step at its edge a mistake that hardly any light explains: a refiner carries it far into the object before it mends
    it, as a long wave of the phase.
    """
    empty = start.object == 0
    if not empty.any() or empty.all():
        return start
    nearest = ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
    return replace(start, object=start.object[tuple(nearest)])
