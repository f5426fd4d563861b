"""Trained networks by name."""

from __future__ import annotations

from pathlib import Path

from ptycho_host.configured import configure
from ptycho_host.contracts import NetworkFunction
from ptycho_host.errors import InputError, close_match_hint, quoted
from ptycho_host.plugins import Host


def run_directory(source: str | Path, host: Host) -> Path:
    """The run directory at a path, or that of the trained network of this name; raises InputError without either."""
    if (path := Path(source)).exists():
        return path
    networks = {entry.component.name for entry in host.registrations("network")}
    if str(source) in networks:
        find: NetworkFunction = configure(host, "network", str(source)).build()
        return find()
    hint = close_match_hint(str(source), networks)
    raise InputError(
        f"{source} is not a run directory (it has no config.toml), nor a trained network.{hint} Give the path that "
        f"`train` printed{f', or one of {quoted(sorted(networks))}' if networks else ''}."
    )
