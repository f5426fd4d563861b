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
            "fno_vanilla",
            backend="torch",
            summary="Four spectral blocks at full resolution and nothing after them.",
            target="ptycho_contrib_fno.fno_vanilla:build",
        ),
        Generator(
            "ffno",
            backend="torch",
            summary="Blocks of factorised spectral convolutions, then residual convolutions: the fewest parameters.",
            target="ptycho_contrib_fno.ffno:build",
        ),
        Generator(
            "uno",
            backend="torch",
            summary="A U-shaped neural operator of four layers that knows where in the patch a pixel lies.",
            target="ptycho_contrib_fno.uno:build",
        ),
        Generator(
            "hybrid",
            backend="torch",
            summary="A U-Net whose encoder blocks add a spectral and a 3x3 convolution.",
            target="ptycho_contrib_fno.hybrid:build",
            training={"learning_rate": 1e-3},
        ),
        Generator(
            "hybrid_resnet",
            backend="torch",
            summary="A spectral encoder, residual blocks at a quarter of the size, and a convolutional decoder.",
            target="ptycho_contrib_fno.hybrid_resnet:build",
            training={"learning_rate": 5e-4},
        ),
        Generator(
            "stable_hybrid",
            backend="torch",
            summary="A fast hybrid with normalised blocks that starts as the back-projection and learns the rest.",
            target="ptycho_contrib_fno.stable_hybrid:build",
        ),
        Generator(
            "unrolled",
            backend="torch",
            summary="Projection updates, each corrected by a small stable_hybrid: for objects of any class.",
            target="ptycho_contrib_fno.unrolled:build",
            common_error=(0.4, 1.0),
        ),
        Generator(
            "unrolled_scan",
            backend="torch",
            scope="scan",
            summary="Projections of all patterns together, each corrected by a U-Net on the object's canvas.",
            target="ptycho_contrib_fno.unrolled_scan:build",
            training={"grouping": "nearest", "group_size": 36, "batch_size": 36, "learning_rate": 5e-4},
        ),
    ]
