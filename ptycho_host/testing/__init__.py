"""Conformance suites and fixtures for authors of plugins: inherit the suite of your component's kind.

    from ptycho_host.testing import GeneratorConformance

    class TestMynet(GeneratorConformance):
        name = "mynet"
        options = {"width": 8}

Each test's failure is one sentence: which component, what it does, what is due. Needs pytest; fixtures are in
`ptycho_host.testing.fixtures`.
"""

from __future__ import annotations

from ptycho_host.testing.clippers import ClipperConformance
from ptycho_host.testing.commands import CommandConformance
from ptycho_host.testing.datasets import DatasetConformance
from ptycho_host.testing.engines import EngineConformance
from ptycho_host.testing.files import ReaderConformance, WriterConformance
from ptycho_host.testing.generators import GeneratorConformance
from ptycho_host.testing.losses import LossConformance
from ptycho_host.testing.networks import NetworkConformance
from ptycho_host.testing.observers import ObserverConformance
from ptycho_host.testing.refiners import RefinerConformance
from ptycho_host.testing.simulators import SimulatorConformance
from ptycho_host.testing.stitchers import StitcherConformance

__all__ = [
    "ClipperConformance",
    "CommandConformance",
    "DatasetConformance",
    "EngineConformance",
    "GeneratorConformance",
    "LossConformance",
    "NetworkConformance",
    "ObserverConformance",
    "ReaderConformance",
    "RefinerConformance",
    "SimulatorConformance",
    "StitcherConformance",
    "WriterConformance",
]
