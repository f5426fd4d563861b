"""What this distribution registers."""

from __future__ import annotations

from ptycho_host import hookimpl
from ptycho_host.components import Clipper


@hookimpl
def ptycho_clippers() -> list[Clipper]:
    """The clippers for PyTorch."""
    return [
        Clipper(
            "agc",
            backend="torch",
            summary="Adaptive: each unit's gradient norm to a fraction of its weight norm.",
            target="ptycho_agc.torch_clippers.adaptive:agc",
        ),
        Clipper(
            "norm",
            backend="torch",
            summary="Norm of all gradients together to a largest value.",
            target="ptycho_agc.torch_clippers.norm:norm",
        ),
        Clipper(
            "value",
            backend="torch",
            summary="Each element of the gradients to a largest modulus.",
            target="ptycho_agc.torch_clippers.value:value",
        ),
        Clipper(
            "none",
            backend="torch",
            summary="Leaves the gradients alone and reports their norm.",
            target="ptycho_agc.torch_clippers.norm:none",
        ),
    ]
