"""What all generators keep: the contract, the start at the back-projection, gradients, independence of the batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ptycho_contrib_fno import ffno, fno, fno_vanilla, hybrid, hybrid_resnet, stable_hybrid, uno
from ptycho_host.contracts import GeneratorInputs, PatchShape
from ptycho_host.errors import InputError

BUILDS = {
    module.__name__.rpartition(".")[2]: module.build
    for module in (fno, fno_vanilla, ffno, uno, hybrid, hybrid_resnet, stable_hybrid)
}
every_generator = pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS.keys())
SMALL: dict[str, Any] = {"width": 6, "modes": 4}


def inputs(batch: int, channels: int, pixels: int) -> GeneratorInputs:
    shape = (batch, channels, pixels, pixels)
    amplitude = torch.randn(shape).abs()
    return GeneratorInputs(amplitude, torch.randn(shape, dtype=torch.complex64))


def train_step(network: nn.Module, optimiser: torch.optim.Optimizer, data: GeneratorInputs) -> None:
    optimiser.zero_grad()
    far_field = torch.fft.fft2(network(data), norm="ortho").abs()
    (far_field - data.amplitude).abs().mean().backward()
    optimiser.step()


@every_generator
@pytest.mark.parametrize("pixels", [32, 64, 128])
@pytest.mark.parametrize("channels", [1, 4])
def test_patches_are_complex_and_of_the_patterns_shape(
    build: Callable[..., nn.Module], pixels: int, channels: int
) -> None:
    patches: Tensor = build(PatchShape(pixels, channels), **SMALL)(inputs(2, channels, pixels))
    assert patches.shape == (2, channels, pixels, pixels)
    assert patches.dtype == torch.complex64
    assert torch.isfinite(torch.view_as_real(patches)).all()


OPTIONS: dict[str, list[Any]] = {
    "input_transform": ["none", "sqrt", "log1p", "instancenorm"],
    "head": ["real_imag", "amp_phase", "amp_phase_logits"],
}
LAYOUT: dict[str, list[Any]] = {"layout": ["two_corner", "one_corner"]}
OWN_OPTIONS: dict[str, dict[str, list[Any]]] = {
    "fno": LAYOUT | {"blocks": [2], "cnn_blocks": [0, 3]},
    "fno_vanilla": LAYOUT | {"blocks": [2]},
    "ffno": {"blocks": [2], "share_spectral": [True], "refiners": [0, 3]},
    "uno": {"lifting_channels": [7], "projection_channels": [9]},
    "hybrid": LAYOUT
    | {
        "blocks": [2, 5],
        "upsampling": ["pixel_shuffle", "transposed"],
        "downsamplings": [0, 2],
        "max_hidden_channels": [8],
    },
    "hybrid_resnet": LAYOUT
    | {
        "blocks": [3, 5],
        "downsamplings": [1, 3],
        "downsampling": ["average", "blur"],
        "residual_blocks": [1],
        "residual_channels": [7],
        "skips": ["add", "gated", "concat"],
    },
    "stable_hybrid": LAYOUT
    | {
        "blocks": [2, 5],
        "upsampling": ["pixel_shuffle", "transposed"],
        "downsamplings": [0, 2],
        "max_hidden_channels": [8],
        "stabiliser": ["zero_gamma", "layer_scale"],
        "stem": [1, 4],
    },
}
CASES = [
    (name, option, value)
    for name, own in OWN_OPTIONS.items()
    for option, values in (OPTIONS | own).items()
    for value in values
]


@pytest.mark.parametrize(("name", "option", "value"), CASES)
def test_every_option_trains_with_finite_gradients(name: str, option: str, value: object) -> None:
    options = SMALL | {"lift": "none", option: value}
    network = BUILDS[name](PatchShape(64, 2), **options)
    patches = network(inputs(2, 2, 64))
    assert patches.shape == (2, 2, 64, 64)
    patches.abs().mean().backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name


LIFTED = [
    ("fno", {}),
    ("fno_vanilla", {}),
    ("ffno", {}),
    ("ffno", {"share_spectral": True}),
    ("uno", {}),
    ("hybrid", {}),
    ("hybrid_resnet", {}),
    ("hybrid_resnet", {"skips": "gated", "residual_channels": 7, "downsampling": "blur"}),
    ("hybrid_resnet", {"skips": "concat"}),
    ("stable_hybrid", {"stabiliser": "zero_gamma"}),
    ("stable_hybrid", {"stabiliser": "layer_scale"}),
    ("stable_hybrid", {"upsampling": "pixel_shuffle", "downsamplings": 2}),
    ("stable_hybrid", {"downsamplings": 0, "stem": 4}),
]


@pytest.mark.parametrize(("name", "options"), LIFTED)
def test_an_untrained_lifted_network_returns_the_back_projection_exactly(name: str, options: dict[str, Any]) -> None:
    data = inputs(3, 2, 64)
    network = BUILDS[name](PatchShape(64, 2), **SMALL, **options, lift="backprojection")
    assert torch.equal(network(data), data.initial)


@pytest.mark.parametrize(("name", "options"), LIFTED)
def test_every_parameter_has_a_gradient_by_the_second_step(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    data = inputs(4, 1, 64)
    network = BUILDS[name](PatchShape(64), **SMALL, **options, lift="backprojection")
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    train_step(network, optimiser, data)
    train_step(network, optimiser, data)
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, parameter_name


@every_generator
def test_without_lift_the_back_projection_is_not_looked_at(build: Callable[..., nn.Module]) -> None:
    data = inputs(2, 1, 32)
    network = build(PatchShape(32), **SMALL, lift="none")
    patches = network(data)
    assert patches.abs().mean() > 1e-3
    assert torch.equal(network(GeneratorInputs(data.amplitude, 0 * data.initial)), patches)


def test_without_lift_the_decoder_of_stable_hybrid_starts_from_whole_features() -> None:
    trunk = stable_hybrid.build(PatchShape(32), **SMALL, lift="none").trunk
    for carry in trunk.carry:
        features = torch.randn(1, carry.in_channels, 8, 8)
        assert torch.equal(carry(features), features)


@every_generator
@pytest.mark.parametrize("head", ["amp_phase", "amp_phase_logits"])
def test_a_bounded_head_cannot_give_a_residual(build: Callable[..., nn.Module], head: str) -> None:
    with pytest.raises(InputError, match=r"set generator\.head=real_imag or generator\.lift=none"):
        build(PatchShape(64), lift="backprojection", head=head)


@pytest.mark.parametrize(
    ("name", "transform"), list(itertools.product(BUILDS, ["instancenorm", "log1p"])), ids="-".join
)
def test_a_prediction_depends_neither_on_the_batch_nor_on_its_order(name: str, transform: str) -> None:
    torch.manual_seed(1)
    data = inputs(5, 2, 32)
    network = BUILDS[name](PatchShape(32, 2), **SMALL, lift="backprojection", input_transform=transform)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    network.train()
    order = [3, 0, 4, 1, 2]
    whole = network(data)
    reordered = network(GeneratorInputs(data.amplitude[order], data.initial[order]))
    alone = torch.cat([network(GeneratorInputs(data.amplitude[i, None], data.initial[i, None])) for i in range(5)])
    assert (whole - data.initial).abs().mean() > 1e-3
    # Sums may be taken in another order for another batch size: single precision.
    torch.testing.assert_close(reordered, whole[order], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(alone, whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pixels", [33, 50, 63])
@pytest.mark.parametrize("name", ["fno", "fno_vanilla", "ffno", "uno"])
def test_operators_take_any_size(name: str, pixels: int) -> None:
    patches = BUILDS[name](PatchShape(pixels), **SMALL, lift="none")(inputs(1, 1, pixels))
    assert patches.shape == (1, 1, pixels, pixels)


@every_generator
def test_the_same_seed_gives_the_same_weights_and_predictions(build: Callable[..., nn.Module]) -> None:
    data = inputs(2, 1, 32)

    def predict() -> Tensor:
        torch.manual_seed(3)
        patches: Tensor = build(PatchShape(32), **SMALL, lift="none")(data)
        return patches

    assert torch.equal(predict(), predict())


@every_generator
def test_low_precision_still_gives_complex64(build: Callable[..., nn.Module]) -> None:
    network = build(PatchShape(32), **SMALL)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert network(inputs(1, 1, 32)).dtype == torch.complex64


@every_generator
def test_training_lowers_the_misfit_of_the_diffraction(build: Callable[..., nn.Module]) -> None:
    torch.manual_seed(0)
    data = inputs(4, 1, 32)
    network = build(PatchShape(32), **SMALL, lift="backprojection")
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)

    def misfit() -> float:
        with torch.no_grad():
            return (torch.fft.fft2(network(data), norm="ortho").abs() - data.amplitude).abs().mean().item()

    before = misfit()
    for _ in range(30):
        train_step(network, optimiser, data)
    # The data are noise, which holds nothing that an operator of few waves could use; pixel by pixel it can learn.
    assert misfit() < 0.97 * before
