"""What this distribution registers with ptycho-host."""

from __future__ import annotations

from collections.abc import Sequence

from ptycho_host import hookimpl
from ptycho_host.components import Network


@hookimpl
def ptycho_networks() -> Sequence[Network]:
    """One for samples of any class."""
    return [
        Network(
            "any_object",
            backend="torch",
            summary="An unrolled_scan for patterns of 64 x 64 pixels of any sample, under any probe.",
            target="ptycho_networks.folders:any_object",
        )
    ]
