"""A training that takes a second."""

from __future__ import annotations

from typing import Any

import pytest

from ptycho_host import Host


@pytest.fixture(scope="session")
def host() -> Host:
    return Host.discover()


@pytest.fixture
def small() -> dict[str, Any]:
    return {
        "simulator": {"name": "lines", "size": 72, "pixels": 32, "scan": {"step": 8}},
        "generator": {"name": "stable_hybrid", "width": 4, "modes": 4, "blocks": 2},
        "engine": {"threads": 1, "device": "cpu"},
        "train": {"epochs": 2, "checkpoint_interval": 0},
    }
