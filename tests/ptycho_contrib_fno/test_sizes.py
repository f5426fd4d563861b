"""Parameter counts against those of the reference system, levels, and what is said when a size does not fit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import nn

from ptycho_contrib_fno import ffno, fno, fno_vanilla, hybrid, hybrid_resnet, stable_hybrid, uno
from ptycho_contrib_fno.levels import Level, plan_levels
from ptycho_contrib_fno.spectral import FactorisedSpectralConv, SpectralConv
from ptycho_host.contracts import PatchShape
from ptycho_host.errors import InputError


def count(network: nn.Module) -> int:
    """Parameters, with a complex weight counted as one."""
    kinds = (SpectralConv, FactorisedSpectralConv)
    spectral = sum(layer.weight.numel() for layer in network.modules() if isinstance(layer, kinds))
    return sum(parameter.numel() for parameter in network.parameters()) - spectral // 2


def build_on_meta(build: Callable[..., nn.Module], pixels: int, **options: object) -> nn.Module:
    with torch.device("meta"):
        return build(PatchShape(pixels), **options)


def test_fno_has_the_reference_systems_parameters() -> None:
    assert count(fno.build(PatchShape(64), layout="one_corner", lift="none")) == 656_002


def test_fno_vanilla_has_the_reference_systems_parameters() -> None:
    assert count(fno_vanilla.build(PatchShape(64), layout="one_corner", lift="none")) == 636_450


def test_ffno_has_the_reference_systems_parameters() -> None:
    assert count(ffno.build(PatchShape(64), lift="none")) == 161_958


def test_sharing_saves_all_spectral_convolutions_but_one() -> None:
    shared = count(ffno.build(PatchShape(64), lift="none", share_spectral=True))
    assert shared == 161_958 - 3 * 2 * 12 * 32**2


def test_uno_has_the_reference_systems_parameters() -> None:
    assert count(uno.build(PatchShape(128), lift="none")) == pytest.approx(1.26e6, rel=0.005)


def test_hybrid_resnet_has_the_parameters_of_its_parts() -> None:
    """The reference system's documents say "about 9 M"; the parts that they list have 7.8 M.

    Two corners hold twice as many modes, and at N = 64 the coarsest level is too small for all of them: 8.5 M there.
    """

    def block(c: int) -> int:
        return c * c * 12**2 + 9 * c * c + c

    lifter, head = 9 * 32 + 32 + 9 * 32**2 + 32, 2 * 32 + 2
    down = 4 * 32 * 64 + 64 + 4 * 64 * 128 + 128
    # No bias where an instance norm follows, of weight and bias; one number scales each residual block.
    residual = 6 * (2 * (9 * 128**2 + 2 * 128) + 1)
    up = 16 * 128 * 64 + 2 * 64 + 16 * 64 * 32 + 2 * 32
    parts = lifter + block(32) + block(64) + 2 * block(128) + down + residual + up + head
    assert count(build_on_meta(hybrid_resnet.build, 128, layout="one_corner", lift="none")) == parts
    assert parts == pytest.approx(7.8e6, rel=0.005)
    assert count(build_on_meta(hybrid_resnet.build, 128, lift="none")) == parts + 144 * (32**2 + 64**2 + 2 * 128**2)


def test_fno_sees_three_images_a_channel_when_lifted() -> None:
    plain = fno.build(PatchShape(64), layout="one_corner", lift="none")
    lifted = fno.build(PatchShape(64), layout="one_corner", lift="backprojection")
    assert count(lifted) - count(plain) == 2 * 9 * 32


def hybrid_count(blocks: int, cap: int) -> int:
    """By the formulas of the specification, with all of 12 x 12 modes at every level."""
    channels = [min(32 * 2**level, cap) for level in range(blocks)]

    def block(c: int, modes: int) -> int:
        return c * c * modes**2 + 9 * c * c + c

    total = 9 * 32 + 32 + 9 * 32 * 32 + 32 + sum(block(c, 12) for c in channels) + block(channels[-1], 6) + 66
    for fine, coarse in pairwise(channels):
        total += 4 * fine * coarse + coarse + 4 * coarse * fine + fine
        total += 18 * fine * fine + fine + 9 * fine * fine + fine
    return total


def test_hybrid_has_the_reference_systems_parameters() -> None:
    options = {"layout": "one_corner", "upsampling": "transposed"}
    # At N = 256 every level holds 12 x 12 modes; at N = 64 the coarsest hold fewer, and none are stored in vain.
    network = build_on_meta(hybrid.build, 256, max_hidden_channels=10_000, lift="none", **options)
    assert count(network) == hybrid_count(4, 10_000)
    assert count(network) == pytest.approx(17.2e6, rel=0.005)


def test_the_cap_keeps_deep_networks_small() -> None:
    options = {"layout": "one_corner", "upsampling": "transposed"}
    uncapped = build_on_meta(hybrid.build, 1024, blocks=6, max_hidden_channels=10_000, lift="none", **options)
    capped = build_on_meta(hybrid.build, 1024, blocks=6, lift="none", **options)
    assert count(uncapped) == pytest.approx(276e6, rel=0.005)
    assert count(capped) < 45e6
    assert count(stable_hybrid.build(PatchShape(64), blocks=8)) < 5e6


def test_stable_hybrid_is_of_the_size_that_trains_on_a_cpu() -> None:
    real = sum(parameter.numel() for parameter in stable_hybrid.build(PatchShape(64)).parameters())
    assert 3e6 < real < 4.5e6


def test_the_small_preset_has_half_the_width_unless_told_otherwise() -> None:
    def lifted_channels(**options: object) -> int:
        channels: int = build_on_meta(stable_hybrid.build, 64, **options).trunk.lifter.second.out_channels
        return channels

    assert [lifted_channels(preset=preset) for preset in ("default", "small")] == [32, 16]
    assert lifted_channels(preset="small", width=7) == lifted_channels(width=7) == 7


def test_levels_halve_in_size_and_double_in_channels_up_to_the_cap() -> None:
    levels = plan_levels(128, patch=2, width=32, max_hidden_channels=96, blocks=4, downsamplings=None)
    assert levels == [Level(32, 64), Level(64, 32), Level(96, 16), Level(96, 8)]


@pytest.mark.parametrize(("pixels", "sizes"), [(64, [32, 16]), (128, [64, 32, 16]), (256, [128, 64, 32, 16])])
def test_stable_hybrid_grows_levels_with_the_patterns(pixels: int, sizes: list[int]) -> None:
    network = build_on_meta(stable_hybrid.build, pixels)
    assert len(network.trunk.down) + 1 == len(sizes)


@pytest.mark.parametrize("blocks", [6, 8])
def test_features_never_fall_below_eight_pixels(blocks: int) -> None:
    assert len(build_on_meta(hybrid.build, 64, blocks=blocks).trunk.down) == 3


@pytest.mark.parametrize(
    ("build", "pixels", "options", "message"),
    [
        (stable_hybrid.build, 65, {}, r"divided by 4 .* crop them to 64 or pad them to 68 .* generator\.downsamplings"),
        (stable_hybrid.build, 51, {"downsamplings": 0}, r"divided by 2 .* generator\.stem lower"),
        (hybrid.build, 66, {}, r"divided by 8 .* crop them to 64 or pad them to 72"),
        (hybrid_resnet.build, 65, {}, r"divided by 4 .* crop them to 64 or pad them to 68"),
        (hybrid.build, 64, {"downsamplings": 4, "blocks": 6}, r"less than 8 x 8; set generator\.downsamplings lower"),
        (stable_hybrid.build, 64, {"downsamplings": 3, "blocks": 3}, r"set generator\.blocks=4 or .*downsamplings=2"),
    ],
)
def test_a_size_that_does_not_fit_is_refused_with_a_remedy(
    build: Callable[..., nn.Module], pixels: int, options: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        build(PatchShape(pixels), **options)
