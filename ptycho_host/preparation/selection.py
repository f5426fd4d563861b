"""Fewer patterns: a part of them, those with light, one side of the scan and the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ptycho_host.data.formats.reading import lit_patterns
from ptycho_host.data.scan import Scan
from ptycho_host.errors import DataError


def subset(
    *,
    first: Annotated[int, Field(ge=0, description="first pattern that is kept, counted from 0")] = 0,
    count: Annotated[int | None, Field(ge=1, description="how many are kept; none: all that follow")] = None,
    every: Annotated[int, Field(ge=1, description="keep each so many-th")] = 1,
) -> Callable[[Scan], Scan]:
    """Keep some patterns with their positions."""

    def apply(scan: Scan) -> Scan:
        kept = np.arange(first, scan.count, every)[:count]
        if len(kept) == 0:
            raise DataError(f"scan '{scan.name}' has {scan.count} patterns; none is left from {first} on.")
        return scan.subset(kept)

    return apply


def drop_empty() -> Callable[[Scan], Scan]:
    """Leave out patterns without a photon, together with their positions."""

    def apply(scan: Scan) -> Scan:
        lit = lit_patterns(scan)
        if not lit.any():
            raise DataError(f"scan '{scan.name}' holds only empty patterns; check the detector's export.")
        return scan if lit.all() else scan.subset(np.flatnonzero(lit))

    return apply


def split(scan: Scan, axis: Literal["y", "x"], fraction: float, gap: float = 0.0) -> tuple[Scan, Scan]:
    """The scan on one side of a line across `axis`, and that on the other.

    The first holds `fraction` of the patterns, those with the smaller coordinates. Patterns of the second that lie
    nearer than `gap` object pixels to the line belong to neither: with a gap of a probe's width no pixel is seen by
    both. Raises DataError when a side would be empty.
    """
    along = scan.positions[:, 0 if axis == "y" else 1]
    order = np.argsort(along, kind="stable")
    size = round(fraction * scan.count)
    if not 0 < size < scan.count:
        raise DataError(f"scan '{scan.name}': a fraction of {fraction:g} of {scan.count} patterns leaves a side empty.")
    line = along[order[size - 1]]
    second = order[size:][along[order[size:]] >= line + gap]
    if len(second) == 0:
        raise DataError(f"scan '{scan.name}': with a gap of {gap:g} pixels the second side is empty.")
    return scan.subset(np.sort(order[:size])), scan.subset(np.sort(second))
