"""Single Torch components, tried out with NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from ptycho_host.contracts import ClipFunction, ClipReport, ForwardResult, GeneratorInputs, LossFunction, Measurement
from ptycho_torch.isolation import own_randomness
from ptycho_torch.physics import diffraction_amplitude


@dataclass(frozen=True, slots=True)
class TorchWorkbench:
    """Components on the device and in the precision of `fabric` (`ptycho_host.contracts.Workbench`)."""

    fabric: Fabric

    def seeded(self, seed: int) -> AbstractContextManager[None]:
        """Torch's random numbers from `seed` inside the block, and the caller's afterwards."""
        return own_randomness(seed, self.fabric.device)

    def patches(self, generator: nn.Module, inputs: GeneratorInputs) -> NDArray[Any]:
        """What the generator makes of the inputs when it is not trained."""
        generator.to(self.fabric.device).eval()
        with torch.no_grad(), self.fabric.autocast():
            return _array(generator(self._inputs(inputs)))

    def weights(self, generator: nn.Module) -> dict[str, NDArray[Any]]:
        """The parameters that need a gradient."""
        return {name: _array(parameter).copy() for name, parameter in _trained(generator).items()}

    def descend(
        self, generator: nn.Module, inputs: GeneratorInputs, probe: NDArray[Any], rate: float
    ) -> tuple[float, dict[str, NDArray[Any] | None]]:
        """One step against the gradient of the mean squared difference of amplitudes."""
        generator.to(self.fabric.device).train()
        arranged = self._inputs(inputs)
        with self.fabric.autocast():
            patches = generator(arranged)
        predicted = diffraction_amplitude(patches, self._tensor(probe))
        difference = (predicted - arranged.amplitude).square().mean()
        parameters = _trained(generator)
        gradients = _gradients(difference, list(parameters.values()))
        with torch.no_grad():
            for parameter, gradient in zip(parameters.values(), gradients, strict=True):
                if gradient is not None:
                    parameter -= rate * gradient
        arrays = [None if gradient is None else _array(gradient) for gradient in gradients]
        return float(difference.detach()), dict(zip(parameters, arrays, strict=True))

    def loss(
        self, loss: LossFunction, prediction: ForwardResult, target: Measurement
    ) -> tuple[float, NDArray[Any], NDArray[Any]]:
        """Value and gradients in the predicted amplitude and patches."""
        amplitude = self._tensor(prediction.amplitude).requires_grad_()
        patches = self._tensor(prediction.object_patches).requires_grad_()
        predicted = ForwardResult(amplitude, prediction.intensity_scale, patches, self._tensor(prediction.probe))
        truth = None if target.object_patches is None else self._tensor(target.object_patches)
        value = loss(predicted, Measurement(self._tensor(target.amplitude), target.intensity_scale, truth))
        if not isinstance(value, Tensor) or value.shape != () or not value.is_floating_point():
            found = (
                f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            )
            raise TypeError(f"the value must be a tensor with one real number, not {found}")
        leaves = (amplitude, patches)
        gradients = [
            torch.zeros_like(leaf) if gradient is None else gradient
            for leaf, gradient in zip(leaves, _gradients(value, leaves), strict=True)
        ]
        return float(value.detach()), _array(gradients[0]), _array(gradients[1])

    def clip(
        self, clip: ClipFunction, weights: Sequence[NDArray[Any]], gradients: Sequence[NDArray[Any] | None]
    ) -> tuple[list[NDArray[Any] | None], ClipReport]:
        """The gradients as the clipper leaves them; the weights are the caller's own memory on a CPU."""
        parameters = [nn.Parameter(self._tensor(weight)) for weight in weights]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = None if gradient is None else self._tensor(gradient.copy())
        report = clip(iter(parameters))
        left = [None if parameter.grad is None else _array(parameter.grad) for parameter in parameters]
        return left, ClipReport(float(report.norm), float(report.clipped))

    def _inputs(self, inputs: GeneratorInputs) -> GeneratorInputs:
        given = (inputs.amplitude, inputs.initial, inputs.probe, inputs.bad_pixels)
        return GeneratorInputs(*(None if array is None else self._tensor(array) for array in given))

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.fabric.device)


def _trained(generator: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in generator.named_parameters() if parameter.requires_grad}


def _gradients(value: Tensor, leaves: Sequence[Tensor]) -> Sequence[Tensor | None]:
    """The gradient of `value` in each leaf; None where it does not depend on it."""
    if not value.requires_grad or not leaves:
        return [None] * len(leaves)
    return torch.autograd.grad(value, list(leaves), allow_unused=True)


def _array(tensor: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.detach().resolve_conj().cpu().numpy()
    return array
