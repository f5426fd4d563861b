"""What the plugin registers: listed without a tensor library, built from its targets, refusing senseless bounds."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from ptycho_agc.plugin import ptycho_clippers
from ptycho_host.errors import OptionError
from ptycho_host.options import OptionSchema

FOR_TORCH = [clipper for clipper in ptycho_clippers() if clipper.backend == "torch"]


def factory(clipper):
    module, _, attribute = clipper.target.partition(":")
    return getattr(import_module(module), attribute)


def schema(clipper):
    return OptionSchema(factory(clipper), f"clipper '{clipper.name}'")


def test_names():
    for backend in ("torch", "tensorflow"):
        names = [clipper.name for clipper in ptycho_clippers() if clipper.backend == backend]
        assert names == ["agc", "norm", "value", "none"]


def test_listing_imports_no_tensor_library():
    code = "import sys, ptycho_agc.plugin as p; p.ptycho_clippers(); print({'torch', 'tensorflow'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


@pytest.mark.parametrize("clipper", FOR_TORCH, ids=lambda clipper: clipper.name)
def test_the_host_reads_every_option_with_an_allowed_default_and_a_description(clipper):
    schema(clipper).validate({})
    assert all(option.description for option in schema(clipper).describe())


@pytest.mark.parametrize("senseless", [0, -1, float("inf"), float("nan")])
@pytest.mark.parametrize("clipper", FOR_TORCH, ids=lambda clipper: clipper.name)
def test_bounds_that_bound_nothing_are_refused(clipper, senseless):
    for option in schema(clipper).describe():
        if option.type == "float":
            with pytest.raises(OptionError, match=option.name):
                schema(clipper).validate({option.name: senseless})
