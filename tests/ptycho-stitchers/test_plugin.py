"""Registration: cheap, and every target is there."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

from ptycho_stitchers import plugin


def test_listing_imports_nothing_heavy():
    code = (
        "import sys, ptycho_stitchers.plugin as p; p.ptycho_stitchers(); "
        "sys.exit(any(m in sys.modules for m in ('numpy', 'scipy', 'pydantic')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_target_is_a_factory():
    components = plugin.ptycho_stitchers()
    assert [component.name for component in components] == ["grid", "overlap", "probe_weighted", "synchronised"]
    for component in components:
        module, _, attribute = component.target.partition(":")
        stitcher = getattr(import_module(module), attribute)()
        assert all(callable(getattr(stitcher, name)) for name in ("begin", "add", "another_pass", "finish"))
        assert component.backend is None
