"""What this distribution brings."""

from __future__ import annotations

from collections.abc import Sequence

from ptycho_host import hookimpl
from ptycho_host.components import Stitcher


@hookimpl
def ptycho_stitchers() -> Sequence[Stitcher]:
    """From the plainest to the one that aligns phases."""
    return [
        Stitcher(
            "grid",
            summary="Tiles the centres of the patches of a whole-pixel raster.",
            target="ptycho_stitchers.grid:build",
        ),
        Stitcher(
            "overlap",
            summary="Plain mean of the central squares of the patches.",
            target="ptycho_stitchers.weighted_mean:build_overlap",
        ),
        Stitcher(
            "probe_weighted",
            summary="Mean of the patches weighted by probe intensity.",
            target="ptycho_stitchers.weighted_mean:build_probe_weighted",
        ),
        Stitcher(
            "synchronised",
            summary="Aligns the constant phases of all patches at once, then as probe_weighted.",
            target="ptycho_stitchers.synchronised:build",
        ),
    ]
