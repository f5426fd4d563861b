"""What this distribution registers."""

from __future__ import annotations

from ptycho_host import hookimpl
from ptycho_host.components import Engine


@hookimpl
def ptycho_engines() -> list[Engine]:
    """The Torch engine."""
    return [
        Engine(
            "fabric",
            backend="torch",
            summary="PyTorch on Lightning Fabric: CPUs, GPUs, several of them.",
            target="ptycho_torch.engine:build",
            scopes=("pattern", "scan"),
        )
    ]
