"""Plugins: finding them, keeping broken ones from harming the others, and looking up what they bring."""

from __future__ import annotations

from ptycho_host.plugins.discovery import LOAD_VARIABLE, PLURALS, Plugin
from ptycho_host.plugins.host import Host
from ptycho_host.plugins.problems import PluginWarning, Problem
from ptycho_host.plugins.registration import Registration

__all__ = [
    "LOAD_VARIABLE",
    "PLURALS",
    "Host",
    "Plugin",
    "PluginWarning",
    "Problem",
    "Registration",
]
