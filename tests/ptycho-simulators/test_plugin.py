"""Registration: cheap, and every target is there."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

from ptycho_simulators import plugin


def test_listing_imports_nothing_heavy():
    code = (
        "import sys, ptycho_simulators.plugin as p; p.ptycho_simulators(); "
        "sys.exit(any(m in sys.modules for m in ('numpy', 'scipy', 'skimage', 'pydantic')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_target_is_a_factory():
    components = plugin.ptycho_simulators()
    names = [component.name for component in components]
    assert names == ["lines", "siemens_star", "random_field", "image", "cells", "mixture"]
    for component in components:
        module, _, attribute = component.target.partition(":")
        assert callable(getattr(import_module(module), attribute)())
        assert component.backend is None
