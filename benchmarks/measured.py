"""Measured scans in benchmarks: a half to train on, another to judge by, and how well patterns are explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ptycho_host import Scan


def halves(scan: Scan) -> tuple[Scan, Scan]:
    """The patterns left of the middle one, and the others; over the same canvas."""
    import numpy as np

    x = scan.positions[:, 1]
    middle = np.median(x)
    return scan.subset(np.flatnonzero(x < middle)), scan.subset(np.flatnonzero(x >= middle))


def explained(obj: NDArray[np.complex64] | None, scan: Scan) -> dict[str, float] | None:
    """How well an object explains all patterns of a scan, sub-pixel positions and all; None without an object."""
    from ptycho_host.metrics.diffraction import diffraction_agreement

    if obj is None:
        return None
    agreement = diffraction_agreement(obj, scan)
    return {"correlation": agreement.correlation, "residual": agreement.residual}
