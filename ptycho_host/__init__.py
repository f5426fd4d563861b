"""Neural ptychography as a plugin system: the host and its programmatic API.

    from ptycho_host import train
    run = train({"generator": {"name": "unrolled"}, "clip": {"name": "agc"}})
    reconstruction = run.reconstruct("another_scan.npz")
    reconstruction.amplitude, reconstruction.phase

Names are imported at first use, so that a plugin module which only needs `hookimpl` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ptycho_host.hookspecs import hookimpl

if TYPE_CHECKING:
    from ptycho_host.config import RunConfig
    from ptycho_host.contracts import Reconstruction
    from ptycho_host.data.scan import Scan
    from ptycho_host.plugins import Host
    from ptycho_host.workflows.compare import compare
    from ptycho_host.workflows.reconstruct import reconstruct
    from ptycho_host.workflows.refine import refine
    from ptycho_host.workflows.run import Run
    from ptycho_host.workflows.scans import load_scan, simulate, write_scan
    from ptycho_host.workflows.train import resume, train

__version__ = "0.1.0"

__all__ = [
    "Host",
    "Reconstruction",
    "Run",
    "RunConfig",
    "Scan",
    "compare",
    "hookimpl",
    "load_scan",
    "reconstruct",
    "refine",
    "resume",
    "simulate",
    "train",
    "write_scan",
]

_HOMES = {
    "Host": "plugins",
    "Reconstruction": "contracts",
    "Run": "workflows.run",
    "RunConfig": "config",
    "Scan": "data.scan",
    "compare": "workflows.compare",
    "load_scan": "workflows.scans",
    "reconstruct": "workflows.reconstruct",
    "refine": "workflows.refine",
    "resume": "workflows.train",
    "simulate": "workflows.scans",
    "train": "workflows.train",
    "write_scan": "workflows.scans",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ptycho_host' has no attribute '{name}'")
    return getattr(import_module(f"ptycho_host.{_HOMES[name]}"), name)
