"""Generator `unrolled`: what it is untrained, what it is made of, and that it trains."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_contrib_fno.unrolled import build
from ptycho_host.contracts import GeneratorInputs, PatchShape
from ptycho_host.physics import updates
from ptycho_host.testing.scans import sight
from ptycho_torch.physics import diffraction_amplitude

SMALL: dict[str, Any] = {"width": 6, "modes": 4}


def inputs(channels: int = 1) -> GeneratorInputs:
    seen = sight(32, channels).inputs
    return GeneratorInputs(*(torch.from_numpy(array) for array in (seen.amplitude, seen.initial, seen.probe)))


@pytest.mark.parametrize("options", [{}, {"shared": True}, {"stabiliser": "layer_scale"}], ids=str)
@pytest.mark.parametrize("channels", [1, 4])
def test_untrained_it_makes_one_projection_update_a_stage(options: dict[str, Any], channels: int) -> None:
    seen = inputs(channels)
    due = seen.initial.numpy().astype(np.complex128)
    for _ in range(4):
        due = due + updates.projection_update(due, seen.amplitude.double().numpy(), seen.probe.numpy())
    found = build(PatchShape(32, channels), stages=4, **SMALL, **options)(seen)
    np.testing.assert_allclose(found.detach().numpy(), due, atol=2e-5)


def test_updates_bring_the_moduli_nearer() -> None:
    seen = inputs()
    missed = [
        float((diffraction_amplitude(build(PatchShape(32), stages=stages, **SMALL)(seen), seen.probe)
               - seen.amplitude).square().sum().detach())
        for stages in (1, 4, 16)
    ]  # fmt: skip
    assert missed[0] > 1.5 * missed[1] > 2 * missed[2]


def test_bad_pixels_ask_for_nothing() -> None:
    seen = inputs()
    bad = torch.zeros(32, 32, dtype=torch.bool)
    bad[10:14, 3:20] = True
    spoilt = replace(seen, amplitude=torch.where(bad, 50.0, seen.amplitude), bad_pixels=bad)
    # The networks see the amplitudes themselves; untrained they have no say.
    network = build(PatchShape(32), **SMALL)
    torch.testing.assert_close(network(spoilt), network(replace(seen, bad_pixels=bad)))
    assert not torch.allclose(network(seen), network(spoilt), atol=1e-4)


def test_shared_stages_have_the_parameters_of_one() -> None:
    def parameters(**options: Any) -> int:
        return sum(parameter.numel() for parameter in build(PatchShape(32), **SMALL, **options).parameters())

    assert parameters(stages=3, shared=True) == parameters(stages=1)
    assert parameters(stages=3) == 3 * parameters(stages=1)


@pytest.mark.parametrize("options", [{}, {"shared": True}, {"stabiliser": "layer_scale"}], ids=str)
def test_every_parameter_has_a_finite_gradient_by_the_second_step(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    seen = inputs()
    network = build(PatchShape(32), **SMALL, **options)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for _ in range(2):
        optimiser.zero_grad()
        (diffraction_amplitude(network(seen), seen.probe) - seen.amplitude).abs().mean().backward()
        optimiser.step()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name
