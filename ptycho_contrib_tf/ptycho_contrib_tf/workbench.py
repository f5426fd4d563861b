"""Single Keras components, tried out with NumPy arrays."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_contrib_tf.devices import Devices
from ptycho_contrib_tf.isolation import Precision, own_precision, own_randomness, reseed
from ptycho_contrib_tf.library import keras, tf
from ptycho_contrib_tf.physics import diffraction_amplitude
from ptycho_contrib_tf.steps import TrainedVariable
from ptycho_contrib_tf.weights import stable_names
from ptycho_host.contracts import ClipFunction, ClipReport, ForwardResult, GeneratorInputs, LossFunction, Measurement


@dataclass(frozen=True, slots=True)
class KerasWorkbench:
    """Components on the first of the devices, uncompiled (`ptycho_host.contracts.Workbench`)."""

    devices: Devices
    precision: Precision

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """Keras' random numbers from `seed` inside the block, and the caller's afterwards.

        A generator that is built inside it computes in the precision of the workbench.
        """
        with own_randomness(seed), own_precision(self.precision):
            yield

    def patches(self, generator: keras.Model, inputs: GeneratorInputs) -> NDArray[Any]:
        """What the generator makes of the inputs when it is not trained."""
        with self.devices.first():
            return _array(generator(inputs=_tensors(inputs), training=False))

    def weights(self, generator: keras.Model) -> dict[str, NDArray[Any]]:
        """The variables that are trained."""
        return {name: _array(variable).copy() for name, variable in _trained(generator).items()}

    def descend(
        self, generator: keras.Model, inputs: GeneratorInputs, probe: NDArray[Any], rate: float
    ) -> tuple[float, dict[str, NDArray[Any] | None]]:
        """One step against the gradient of the mean squared difference of amplitudes."""
        with self.devices.first():
            arranged = _tensors(inputs)
            reseed(generator, random.getrandbits(31))
            with tf.GradientTape() as tape:
                patches = generator(inputs=arranged, training=True)
                predicted = diffraction_amplitude(patches, tf.constant(probe))
                difference = tf.reduce_mean((predicted - arranged.amplitude) ** 2)
            variables = _trained(generator)
            gradients = tape.gradient(difference, list(variables.values()))
            for variable, gradient in zip(variables.values(), gradients, strict=True):
                if gradient is not None:
                    variable.assign_sub(rate * tf.convert_to_tensor(gradient))
        arrays = [None if gradient is None else _array(gradient) for gradient in gradients]
        return float(difference), dict(zip(variables, arrays, strict=True))

    def loss(
        self, loss: LossFunction, prediction: ForwardResult, target: Measurement
    ) -> tuple[float, NDArray[Any], NDArray[Any]]:
        """Value and gradients in the predicted amplitude and patches."""
        with self.devices.first():
            leaves = [tf.constant(prediction.amplitude), tf.constant(prediction.object_patches)]
            truth = None if target.object_patches is None else tf.constant(target.object_patches)
            measured = Measurement(tf.constant(target.amplitude), target.intensity_scale, truth)
            with tf.GradientTape() as tape:
                tape.watch(leaves)
                predicted = ForwardResult(
                    leaves[0], prediction.intensity_scale, leaves[1], tf.constant(prediction.probe)
                )
                value = loss(predicted, measured)
            if not isinstance(value, tf.Tensor) or value.shape != () or not value.dtype.is_floating:
                found = (
                    f"{value.dtype.name} of shape {tuple(value.shape)}"
                    if isinstance(value, tf.Tensor)
                    else type(value).__name__
                )
                raise TypeError(f"the value must be a tensor with one real number, not {found}")
            gradients = tape.gradient(value, leaves, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return float(value), _array(gradients[0]), _array(gradients[1])

    def clip(
        self, clip: ClipFunction, weights: Sequence[NDArray[Any]], gradients: Sequence[NDArray[Any] | None]
    ) -> tuple[list[NDArray[Any] | None], ClipReport]:
        """The gradients as the clipper leaves them."""
        with self.devices.first():
            parameters = [
                TrainedVariable(tf.constant(weight), None if gradient is None else tf.constant(gradient))
                for weight, gradient in zip(weights, gradients, strict=True)
            ]
            report = clip(iter(parameters))
        left = [None if parameter.grad is None else _array(parameter.grad) for parameter in parameters]
        return left, ClipReport(float(report.norm), float(report.clipped))


def _tensors(inputs: GeneratorInputs) -> GeneratorInputs:
    given = (inputs.amplitude, inputs.initial, inputs.probe, inputs.bad_pixels)
    return GeneratorInputs(*(None if array is None else tf.constant(array) for array in given))


def _trained(generator: keras.Model) -> dict[str, tf.Variable]:
    variables = generator.trainable_variables
    names = stable_names([variable.path for variable in variables])
    return {name: variable.value for name, variable in zip(names, variables, strict=True)}


def _array(values: Any) -> NDArray[Any]:
    return np.asarray(tf.convert_to_tensor(values))
