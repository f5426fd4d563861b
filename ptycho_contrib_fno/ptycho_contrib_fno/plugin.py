"""What this distribution registers with ptycho-host."""

from __future__ import annotations

from collections.abc import Sequence

from ptycho_host import hookimpl
from ptycho_host.components import Generator


@hookimpl
def ptycho_generators() -> Sequence[Generator]:
    """The Fourier neural operators, one module each."""
    return [
        Generator(
            "fno",
            backend="torch",
            summary="Four spectral blocks at full resolution, then two convolutions.",
            target="ptycho_contrib_fno.fno:build",
        ),
        Generator(
            "hybrid",
            backend="torch",
            summary="A U-Net whose encoder blocks add a spectral and a 3x3 convolution.",
            target="ptycho_contrib_fno.hybrid:build",
        ),
        Generator(
            "stable_hybrid",
            backend="torch",
            summary="A fast hybrid with normalised blocks that starts as the back-projection and learns the rest.",
            target="ptycho_contrib_fno.stable_hybrid:build",
        ),
    ]
