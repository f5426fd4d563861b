"""What a fresh Python imports when it lists the components of one distribution."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from importlib.metadata import entry_points

from ptycho_host.hookspecs import PROJECT
from ptycho_host.plugins import LOAD_VARIABLE

LISTING = """
import sys
from ptycho_host import Host
Host.discover().registrations()
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@cache
def imported_by_listing(distribution: str) -> frozenset[str] | None:
    """Top-level packages; None for a distribution that no entry point leads to."""
    if not any(entry.dist is not None and entry.dist.name == distribution for entry in entry_points(group=PROJECT)):
        return None
    listed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LISTING],
        env={**os.environ, LOAD_VARIABLE: distribution},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return frozenset(listed.stdout.split())
