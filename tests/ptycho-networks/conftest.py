"""What the tests of trained networks share."""

from __future__ import annotations

from ptycho_host.testing.fixtures import ptycho  # noqa: F401
