"""Generator `unrolled_scan`: what it is untrained, canvases of any size, memory, gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ptycho_contrib_fno.unrolled_scan import build
from ptycho_host.contracts import PatchShape

SMALL: dict[str, Any] = {"width": 6, "levels": 2, "iterations": 5, "tracked": 2, "stem": 2, "momentum": 0.0}


@dataclass
class TowardsAnObject:
    """A region whose patterns ask for half of what is missing to a known object."""

    amplitude: Tensor
    initial: Tensor
    light: Tensor
    object: Tensor
    asked: int = 0

    def update(self, canvas: Tensor) -> Tensor:
        self.asked += 1
        return 0.5 * (self.object - canvas)


def region(height: int = 37, width: int = 50, regions: int = 2) -> TowardsAnObject:
    shape = (regions, height, width)
    light = torch.ones(shape)
    light[:, :4] = 0
    return TowardsAnObject(
        torch.rand(regions, 3, 16, 16),
        torch.ones(shape, dtype=torch.complex64),
        light,
        torch.randn(shape, dtype=torch.complex64),
    )


def stirred(network: nn.Module, deviation: float = 0.05) -> nn.Module:
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=deviation)
    return network


def test_untrained_it_makes_plain_projections() -> None:
    seen = region()
    found = build(PatchShape(16), **SMALL).eval()(seen)
    torch.testing.assert_close(found, seen.object + (seen.initial - seen.object) * 0.5**5)


def test_untrained_it_goes_on_by_a_part_of_its_last_change() -> None:
    seen = region()
    found = build(PatchShape(16), **{**SMALL, "momentum": 0.55}).eval()(seen)
    left, before = 1.0, 1.0
    for carried in (0, 1 / 4, 2 / 5, 1 / 2, 0.55):
        left, before = 0.5 * (left + carried * (left - before)), left
    torch.testing.assert_close(found, seen.object + (seen.initial - seen.object) * left)


def test_where_no_light_falls_nothing_is_added_but_what_is_asked_for() -> None:
    seen = region()
    found = stirred(build(PatchShape(16), **SMALL)).eval()(seen)
    plain = seen.object + (seen.initial - seen.object) * 0.5**5
    torch.testing.assert_close(found[:, :4], plain[:, :4])
    assert (found - plain)[:, 4:].abs().mean() > 1e-3


def test_an_explained_object_stays() -> None:
    seen = region()
    seen.initial = seen.object
    torch.testing.assert_close(stirred(build(PatchShape(16), **SMALL)).eval()(seen), seen.object, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (33, 47), (64, 128)])
def test_canvases_may_have_any_size(height: int, width: int) -> None:
    found = stirred(build(PatchShape(16), **SMALL)).eval()(region(height, width, 1))
    assert found.shape == (1, height, width) and found.dtype == torch.complex64
    assert torch.isfinite(torch.view_as_real(found)).all()


def test_regions_of_a_batch_know_nothing_of_each_other() -> None:
    network, together = stirred(build(PatchShape(16), **SMALL)).eval(), region()
    alone = TowardsAnObject(together.amplitude[1:], together.initial[1:], together.light[1:], together.object[1:])
    torch.testing.assert_close(network(alone), network(together)[1:], atol=1e-5, rtol=1e-4)


def test_how_densely_a_scan_is_sampled_makes_no_difference() -> None:
    network, seen = stirred(build(PatchShape(16), **SMALL)).eval(), region()
    sparse = network(seen)
    seen.light = 4 * seen.light
    torch.testing.assert_close(network(seen), sparse)


def test_memory_makes_a_difference() -> None:
    network, seen = stirred(build(PatchShape(16), **SMALL), 0.2).eval(), region()
    with torch.no_grad():
        remembering = network(seen)
        network.network.head.weight[2 * 4 :].zero_()
        network.network.head.bias[2 * 4 :].zero_()
        assert (network(seen) - remembering).abs().max() > 1e-3
    forgetful = stirred(build(PatchShape(16), **SMALL, memory=0)).eval()
    assert torch.isfinite(torch.view_as_real(forgetful(seen))).all()


def test_training_begins_after_a_random_number_of_iterations_and_reaches_every_parameter() -> None:
    network = stirred(build(PatchShape(16), **SMALL)).train()
    asked = set()
    for _ in range(30):
        seen = region(16, 16, 1)
        network(seen)
        asked.add(seen.asked)
    assert asked == {2, 3, 4, 5}
    seen = region()
    (network(seen) - seen.object).abs().square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
