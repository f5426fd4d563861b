"""Registration: cheap, and every target is there."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

from ptycho_iterative import plugin


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys, ptycho_iterative.plugin as p; p.ptycho_refiners(); "
        "sys.exit(any(m in sys.modules for m in ('numpy', 'torch', 'pydantic', 'ptychi')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_target_is_a_factory_for_any_backend() -> None:
    components = plugin.ptycho_refiners()
    assert [component.name for component in components] == ["epie", "rpie", "lsq_ml", "ptychi"]
    for component in components:
        module, _, attribute = component.target.partition(":")
        assert callable(getattr(import_module(module), attribute))
        assert component.backend is None
