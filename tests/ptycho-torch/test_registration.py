"""The engine as the host finds it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ptycho_host.errors import OptionError
from ptycho_host.options import OptionSchema
from ptycho_torch import plugin
from ptycho_torch.engine import build


def test_the_plugin_names_a_factory_that_exists() -> None:
    (engine,) = plugin.ptycho_engines()
    assert (engine.name, engine.backend, engine.kind) == ("fabric", "torch", "engine")
    assert engine.target == f"{build.__module__}:{build.__name__}"


def test_registering_imports_no_torch() -> None:
    code = "import sys, ptycho_torch.plugin; sys.exit('torch' in sys.modules or 'lightning_fabric' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_option_is_described_and_checked() -> None:
    schema = OptionSchema(build, "engine 'fabric'")
    assert schema.validate({"threads": 2}).threads == 2
    with pytest.raises(OptionError, match="devices"):
        schema.validate({"devices": 0})
    for name, field in type(schema.validate({})).model_fields.items():
        assert field.description, name
