"""The generator that the README shows keeps the contract of generators."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from ptycho_host import Host, hookimpl
from ptycho_host.components import Generator
from ptycho_host.testing.generators import GeneratorConformance

README = Path(__file__).parents[2] / "ptycho_contrib_tf" / "README.md"


class Example:
    """A plugin with the generator of the README."""

    @hookimpl
    def ptycho_generators(self) -> list[Generator]:
        return [Generator("mynet", backend="tensorflow", summary="A small residual CNN.", target="readme_net:build")]


@pytest.mark.slow
class TestGeneratorOfTheReadme(GeneratorConformance):
    name = "mynet"
    pixels = (32,)
    channels = (1,)

    @pytest.fixture
    def host(self, monkeypatch: pytest.MonkeyPatch) -> Host:
        program = README.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
        module = types.ModuleType("readme_net")
        monkeypatch.setitem(sys.modules, "readme_net", module)
        exec(program, vars(module))
        import ptycho_agc.plugin
        import ptycho_contrib_tf.plugin
        import ptycho_losses.plugin
        import ptycho_simulators.plugin
        import ptycho_stitchers.plugin
        from ptycho_host import native

        plugins = [ptycho_contrib_tf, ptycho_agc, ptycho_losses, ptycho_simulators, ptycho_stitchers]
        return Host([native, Example(), *(package.plugin for package in plugins)])
