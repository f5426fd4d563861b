"""The plugin: descriptors that lead to factories, without importing Torch."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from inspect import Parameter, signature

from pydantic import ConfigDict, create_model

from ptycho_contrib_fno.plugin import ptycho_generators


def test_every_target_is_a_factory_whose_options_are_typed_described_and_have_defaults() -> None:
    for generator in ptycho_generators():
        module, _, attribute = generator.target.partition(":")
        factory = getattr(import_module(module), attribute)
        parameters = signature(factory, eval_str=True).parameters.values()
        options = [parameter for parameter in parameters if parameter.kind is Parameter.KEYWORD_ONLY]
        assert len(options) == len(parameters) - 1
        fields = {option.name: (option.annotation, option.default) for option in options}
        model = create_model("Options", __config__=ConfigDict(extra="forbid", validate_default=True), **fields)
        model()
        for name, field in model.model_fields.items():
            assert field.description, f"{generator.name}.{name}"
            assert not field.is_required(), f"{generator.name}.{name}"


def test_listing_imports_no_torch() -> None:
    program = "import sys, ptycho_contrib_fno.plugin as p; p.ptycho_generators(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
