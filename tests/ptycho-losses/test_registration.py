"""What the plugin registers can be listed without a tensor library and built from its targets."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
import torch

from ptycho_host.contracts import ForwardResult, Measurement
from ptycho_host.errors import OptionError
from ptycho_host.options import OptionSchema
from ptycho_losses.plugin import ptycho_losses

FOR_TORCH = [loss for loss in ptycho_losses() if loss.backend == "torch"]


def factory(loss):
    module, _, attribute = loss.target.partition(":")
    return getattr(import_module(module), attribute)


def test_names_and_supervision():
    expected = {
        "mae": False, "mse": False, "poisson": False, "tv": False, "object_mae": True, "amplitude_phase": True,
    }  # fmt: skip
    for backend in ("torch", "tensorflow"):
        assert {loss.name: loss.supervised for loss in ptycho_losses() if loss.backend == backend} == expected


def test_listing_imports_no_tensor_library():
    code = "import sys, ptycho_losses.plugin as p; p.ptycho_losses(); print({'torch', 'tensorflow'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


@pytest.mark.parametrize("loss", FOR_TORCH, ids=lambda loss: loss.name)
def test_the_host_reads_every_option_with_an_allowed_default_and_a_description(loss):
    schema = OptionSchema(factory(loss), f"loss '{loss.name}'")
    schema.validate({})
    assert all(option.description for option in schema.describe())


def test_the_rate_floor_must_be_positive():
    (loss,) = (loss for loss in FOR_TORCH if loss.name == "poisson")
    schema = OptionSchema(factory(loss), "loss 'poisson'")
    with pytest.raises(OptionError, match="rate_floor"):
        schema.validate({"rate_floor": 0})


@pytest.mark.parametrize("loss", FOR_TORCH, ids=lambda loss: loss.name)
def test_every_loss_is_a_float32_scalar_with_a_gradient(loss):
    generator = torch.Generator().manual_seed(0)
    patches, truth = torch.randn(2, 2, 1, 8, 8, dtype=torch.complex64, generator=generator)
    patches.requires_grad_()
    probe = torch.ones(8, 8, dtype=torch.complex64)
    amplitude = torch.fft.fft2(probe * patches, norm="ortho").abs()
    measured = torch.fft.fft2(probe * truth, norm="ortho").abs()
    value = factory(loss)()(ForwardResult(amplitude, 30.0, patches, probe), Measurement(measured, 30.0, truth))
    value.backward()
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert patches.grad is not None
    assert patches.grad.abs().sum() > 0
