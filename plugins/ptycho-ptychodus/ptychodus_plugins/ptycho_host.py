"""Installed as `ptychodus/plugins/ptycho_host.py`, where Ptychodus looks for its plugins."""

from ptycho_ptychodus.in_ptychodus.hook import register_plugins

__all__ = ["register_plugins"]
