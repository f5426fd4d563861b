"""The suite of generators passes a sound one, and finds each defect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest
import torch
from pydantic import Field
from torch import Tensor, nn

from ptycho_host.contracts import GeneratorInputs, PatchShape
from ptycho_host.errors import InputError
from ptycho_host.testing import GeneratorConformance

Width = Annotated[int, Field(ge=1, description="Hidden channels.")]


class Sound(nn.Module):
    """A small residual network on the back-projection, as a good author writes it."""

    def __init__(self, width: int, channels: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(3 * channels, width, 3, padding=1)
        self.last = nn.Conv2d(width, 2 * channels, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def change(self, inputs: GeneratorInputs) -> Tensor:
        images = torch.cat([inputs.amplitude.log1p(), inputs.initial.real, inputs.initial.imag], dim=1)
        real, imaginary = self.last(torch.tanh(self.first(images))).float().chunk(2, dim=1)
        return torch.complex(real, imaginary)

    def forward(self, inputs: GeneratorInputs) -> Tensor:
        return inputs.initial + self.change(inputs)


class WrongShape(Sound):
    def forward(self, inputs: GeneratorInputs) -> Tensor:
        return super().forward(inputs)[..., 1:]


class RealPatches(Sound):
    def forward(self, inputs: GeneratorInputs) -> Tensor:
        return super().forward(inputs).abs()


class OneChannelOnly(Sound):
    """Takes a PatchShape, and forgets that C may be more than one."""

    def __init__(self, width: int, channels: int = 1) -> None:
        super().__init__(width)


class CrashesOnOtherSizes(Sound):
    def forward(self, inputs: GeneratorInputs) -> Tensor:
        if inputs.amplitude.shape[-1] % 4:
            raise RuntimeError("sizes of tensors must match")
        return super().forward(inputs)


class RefusesOtherSizes(Sound):
    def forward(self, inputs: GeneratorInputs) -> Tensor:
        if inputs.amplitude.shape[-1] % 4:
            raise InputError("generator 'lab' needs patterns of 4, 8, 12, … pixels; crop or pad them.")
        return super().forward(inputs)


class DividesByMean(Sound):
    def forward(self, inputs: GeneratorInputs) -> Tensor:
        return super().forward(inputs) / inputs.amplitude.mean(dim=(-2, -1), keepdim=True)


class ChangesInputs(Sound):
    def forward(self, inputs: GeneratorInputs) -> Tensor:
        inputs.amplitude.mul_(2)
        return super().forward(inputs)


class DrawsElsewhere(Sound):
    """Weights from the operating system's randomness."""

    def __init__(self, width: int, channels: int = 1) -> None:
        super().__init__(width, channels)
        generator = torch.Generator()
        generator.seed()
        nn.init.normal_(self.first.weight, generator=generator)


class SeedsItself(Sound):
    def __init__(self, width: int, channels: int = 1) -> None:
        torch.manual_seed(0)
        super().__init__(width, channels)


class AlwaysDropsOut(Sound):
    def change(self, inputs: GeneratorInputs) -> Tensor:
        kept = torch.rand(inputs.amplitude.shape) < 0.9
        return super().change(inputs) * kept


class UnusedParameter(Sound):
    def __init__(self, width: int, channels: int = 1) -> None:
        super().__init__(width, channels)
        self.spare = nn.Parameter(torch.ones(3))


class InfiniteGradient(Sound):
    """The square root of a zero: right forwards, infinite backwards."""

    def forward(self, inputs: GeneratorInputs) -> Tensor:
        return super().forward(inputs) + (self.last.weight.square().sum()).sqrt()


class _Uphill(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient


class WrongBackward(Sound):
    def change(self, inputs: GeneratorInputs) -> Tensor:
        result: Tensor = _Uphill.apply(super().change(inputs))
        return result


class UnsavedProjection(Sound):
    """Something random that is neither a parameter nor a buffer."""

    def __init__(self, width: int, channels: int = 1) -> None:
        super().__init__(width, channels)
        self.__dict__["projection"] = torch.rand(())

    def forward(self, inputs: GeneratorInputs) -> Tensor:
        return super().forward(inputs) * self.__dict__["projection"]


class NormalisesOverBatch(Sound):
    def change(self, inputs: GeneratorInputs) -> Tensor:
        patches = super().change(inputs)
        return patches / (patches.abs().amax() + 1e-3)


class LooksAtNeighbours(Sound):
    def forward(self, inputs: GeneratorInputs) -> Tensor:
        patches = super().forward(inputs)
        return patches + 0.1 * patches.roll(1, dims=0)


class SamePatch(Sound):
    def forward(self, inputs: GeneratorInputs) -> Tensor:
        flat = GeneratorInputs(torch.ones_like(inputs.amplitude), torch.ones_like(inputs.initial))
        return super().forward(flat)


class LosesPrecision(Sound):
    """In mixed precision it adds large numbers and takes them off again."""

    def change(self, inputs: GeneratorInputs) -> Tensor:
        large = 1e3 if torch.is_autocast_enabled("cpu") else 0.0
        offset = torch.full((), large).to(torch.bfloat16)
        real = (inputs.initial.real.to(torch.bfloat16) + offset - offset).float() if large else inputs.initial.real
        return super().change(inputs) + torch.complex(real, torch.zeros_like(real))


def plain(network: Callable[..., nn.Module]) -> Callable[..., Any]:
    """A factory with one documented option."""

    def build(shape: PatchShape, *, width: Width = 8) -> nn.Module:
        return network(width, shape.channels)

    return build


SOUND = [name for name in dir(GeneratorConformance) if name.startswith("test_")]


@pytest.mark.parametrize("check", SOUND)
def test_a_sound_generator_passes(trial: Callable[..., Any], check: str) -> None:
    try:
        trial(GeneratorConformance, plain(Sound), backend="torch", options={"width": 4}).check(check)
    except pytest.skip.Exception as skipped:
        assert check == "test_listing_imports_nothing_heavy", skipped


DEFECTS = [
    (WrongShape, "test_patches_are_complex_and_of_the_patterns_shape", r"patches \(2, 1, 32, 31\) complex64 where"),
    (RealPatches, "test_patches_are_complex_and_of_the_patterns_shape", r"float32 where"),
    (OneChannelOnly, "test_patches_are_complex_and_of_the_patterns_shape", r"on 4 patterns of 32 x 32 pixels"),
    (CrashesOnOtherSizes, "test_other_sizes_are_refused_in_a_sentence", r"raising an InputError that says which"),
    (DividesByMean, "test_nearly_empty_patterns_make_finite_patches", r"not finite of empty patterns"),
    (ChangesInputs, "test_inputs_are_left_alone", r"changes its inputs in place"),
    (DrawsElsewhere, "test_the_seed_decides", r"differs from itself under the same seed"),
    (SeedsItself, "test_the_seed_decides", r"same weights under every seed"),
    (AlwaysDropsOut, "test_prediction_repeats", r"predicts something else each time"),
    (UnusedParameter, "test_gradients_reach_every_parameter", r"never passes a gradient to 'spare'"),
    (InfiniteGradient, "test_gradients_reach_every_parameter", r"gradients that are not finite, in .*'last.weight'"),
    (WrongBackward, "test_a_step_downhill_lowers_the_loss", r"its backward pass is not that of its forward pass"),
    (UnsavedProjection, "test_trained_patches_come_back_from_the_bundle", r"once it is loaded from its bundle"),
    (NormalisesOverBatch, "test_prediction_depends_on_neither_batch_size_nor_order", r"batches of another size"),
    (LooksAtNeighbours, "test_prediction_depends_on_neither_batch_size_nor_order", r"batches of another order"),
    (SamePatch, "test_patterns_make_a_difference", r"the same patch of every pattern"),
    (LosesPrecision, "test_low_precision", r"off by .* with engine.precision=bf16-mixed"),
]


@pytest.mark.parametrize(("network", "check", "sentence"), DEFECTS, ids=[f"{d[0].__name__}-{d[1]}" for d in DEFECTS])
def test_a_defect_is_found(
    trial: Callable[..., Any], network: Callable[..., nn.Module], check: str, sentence: str
) -> None:
    lab = trial(GeneratorConformance, plain(network), backend="torch")
    with pytest.raises(AssertionError, match=sentence) as failure:
        lab.check(check)
    assert str(failure.value).startswith("generator 'lab' (lab) ")
    assert "see ptycho_host.contracts, generators" in str(failure.value)


def test_training_that_does_not_exist_is_found(trial: Callable[..., Any]) -> None:
    lab = trial(GeneratorConformance, plain(Sound), backend="torch", descriptor={"training": {"learning_rat": 5e-4}})
    with pytest.raises(AssertionError, match=r"has no option 'learning_rat'. Did you mean 'learning_rate'"):
        lab.check("test_training_that_suits_it_exists")


def test_a_size_may_be_refused(trial: Callable[..., Any]) -> None:
    trial(GeneratorConformance, plain(RefusesOtherSizes), backend="torch").check(
        "test_other_sizes_are_refused_in_a_sentence"
    )


def test_a_factory_without_shape_need_not_see_groups(trial: Callable[..., Any]) -> None:
    def build(*, width: Width = 8) -> nn.Module:
        return Sound(width)

    trial(GeneratorConformance, build, backend="torch").check("test_patches_are_complex_and_of_the_patterns_shape")


def test_a_generator_without_backend_cannot_be_tried(trial: Callable[..., Any]) -> None:
    with pytest.raises(pytest.fail.Exception, match="its descriptor needs backend='torch'"):
        trial(GeneratorConformance, plain(Sound)).check("test_inputs_are_left_alone")


def test_a_run_of_training_that_fails_is_told(trial: Callable[..., Any]) -> None:
    class FailsInTraining(Sound):
        def forward(self, inputs: GeneratorInputs) -> Tensor:
            if self.training:
                raise RuntimeError("not ready for training")
            return super().forward(inputs)

    lab = trial(GeneratorConformance, plain(FailsInTraining), backend="torch")
    with pytest.raises(AssertionError, match=r"fails in a run of training.*not ready for training"):
        lab.check("test_a_run_of_training")
