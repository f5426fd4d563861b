"""Steps of the optimiser, for the host's training loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_contrib_tf.forward import Forward
from ptycho_contrib_tf.isolation import reseed
from ptycho_contrib_tf.library import keras, tf
from ptycho_contrib_tf.network import PatternNetwork
from ptycho_contrib_tf.objective import Objective
from ptycho_contrib_tf.patterns import AMPLITUDE, COORDINATES, TRUTH, PatternFeed
from ptycho_contrib_tf.physics import diffraction_amplitude
from ptycho_contrib_tf.weights import arrays_of, assign, network_weights, under
from ptycho_host.contracts import ClipFunction, ClipReport, Measurement
from ptycho_host.errors import BundleError

Indices = NDArray[np.int64]
Tensors = Mapping[str, tf.Tensor]

WEIGHTS = "weights."
OPTIMISER = "optimiser."


@dataclass
class TrainedVariable:
    """A variable and its gradient, as clippers see them (`ptycho_host.contracts.TrainedParameter`)."""

    data: tf.Variable
    grad: tf.Tensor | None


class KerasSteps:
    """Network, optimiser and data on a distribution strategy (`ptycho_host.training.loop.TrainingSteps`).

    Loss and gradients of one batch are one function, compiled by XLA if asked. Clipping and the optimiser's update
    stay outside: they take no time worth a longer compilation.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        network: PatternNetwork,
        optimiser: keras.Optimizer,
        feed: PatternFeed,
        objective: Objective,
        clip: ClipFunction,
        forward: Forward,
        *,
        xla: bool,
    ) -> None:
        """`network` and `optimiser` were made in the scope of `strategy`, whose devices share each batch evenly."""
        self.network = network
        self._xla = xla
        self._strategy = strategy
        self._optimiser = optimiser
        self._feed = feed
        self._objective = objective
        self._clip = clip
        self._forward = forward
        self._variables = network_weights(network)
        self._upcoming: Iterator[dict[str, tf.Tensor]] = iter(())
        self.gradients = tf.function(self._loss_and_gradients, jit_compile=xla, autograph=False)
        self.update = tf.function(self._update_everywhere, autograph=False)

    @contextmanager
    def epoch(self, seed: int, steps: Indices) -> Iterator[None]:
        """Random numbers, such as those of dropout, from `seed`; patterns of `steps` (S, A, G, K) are read ahead."""
        reseed(self.network.generator, seed)
        with closing(self._feed.stream(steps)) as self._upcoming:
            yield

    def step(self, batches: Indices, rate: float) -> tuple[tf.Tensor, ClipReport]:
        """The next step of the epoch at learning rate `rate`, on its batches (A, G, K)."""
        self._optimiser.learning_rate.assign(rate)
        loss, norm, clipped = self.update(self._shared(next(self._upcoming)))
        return loss, ClipReport(float(norm), float(clipped))

    def _shared(self, data: Tensors) -> tuple[Tensors, ...] | Tensors:
        """An even share of all batches for each device."""
        replicas = self._strategy.num_replicas_in_sync
        if replicas == 1:
            return data
        parts = {name: tf.split(tensor, replicas, axis=1) for name, tensor in data.items()}
        shared: Tensors = self._strategy.experimental_distribute_values_from_function(
            lambda context: {name: part[context.replica_id_in_sync_group] for name, part in parts.items()}
        )
        return shared

    def _update_everywhere(self, data: Tensors) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        results = self._strategy.run(self._update, args=(data,))
        mean = tf.distribute.ReduceOp.MEAN
        return tuple(self._strategy.reduce(mean, result, axis=None) for result in results)

    def _update(self, data: Tensors) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The step on one device: gradients of its share, averaged over batches and devices, clipped, applied."""
        variables = self.network.trained
        batches = data[AMPLITUDE].shape[0]
        losses: list[tf.Tensor] = []
        sums: list[tf.Tensor | None] = [None] * len(variables)
        for number in range(batches):
            loss, gradients = self.gradients({name: tensor[number] for name, tensor in data.items()})
            losses.append(loss)
            sums = [_sum(before, gradient) for before, gradient in zip(sums, gradients, strict=True)]
        parameters = [TrainedVariable(data, grad) for data, grad in zip(variables, sums, strict=True)]
        found = [parameter for parameter in parameters if parameter.grad is not None]
        replicas = self._strategy.num_replicas_in_sync
        for parameter, total in zip(found, _over_devices([parameter.grad for parameter in found]), strict=True):
            parameter.grad = total / (batches * replicas)
        report = self._clip(parameters)
        # Keras sums over the devices, which agree already.
        shares = [parameter.grad / replicas for parameter in found]
        self._optimiser.apply(shares, [parameter.data for parameter in found])
        norm, clipped = (tf.cast(value, tf.float32) for value in (report.norm, report.clipped))
        return tf.add_n(losses) / batches, norm, clipped

    def _loss_and_gradients(self, batch: Tensors) -> tuple[tf.Tensor, list[tf.Tensor | None]]:
        with tf.GradientTape() as tape:
            patches = self.network(batch[AMPLITUDE], training=True)
            measured = self._measurement(batch[AMPLITUDE], batch.get(TRUTH))
            loss = self._objective.of_groups(patches, measured, self.network.instrument.probe, batch.get(COORDINATES))
        return loss, tape.gradient(loss, self.network.trained)

    def _measurement(self, amplitude: tf.Tensor, truth: tf.Tensor | None) -> Measurement:
        return Measurement(amplitude, self._feed.scale.amplitude, truth)

    def pattern_loss(self, groups: Indices) -> float:
        """Mean loss of groups (V, C), each pattern by itself."""
        amplitude = self._feed.amplitude(groups)
        truth = self._feed.true_patches(groups)
        measured = self._measurement(tf.constant(amplitude), None if truth is None else tf.constant(truth))
        patches = tf.constant(self._forward(amplitude))
        return float(self._objective.of_patterns(patches, measured, self.network.instrument.probe))

    def predicted_amplitudes(self, groups: Indices) -> NDArray[np.float32]:
        """Amplitudes (V, N, N) of the first pattern of each group (V, C)."""
        patches = tf.constant(self._forward(self._feed.amplitude(groups))[:, 0])
        amplitudes: NDArray[np.float32] = diffraction_amplitude(patches, self.network.instrument.probe).numpy()
        return amplitudes

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Weights and the optimiser's memory."""
        weights = {WEIGHTS + name: array for name, array in arrays_of(self._variables).items()}
        return weights | {OPTIMISER + name: array for name, array in arrays_of(self._moments()).items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Put them back; raises BundleError when they do not fit."""
        assign(self._variables, under(WEIGHTS, arrays))
        try:
            assign(self._moments(), under(OPTIMISER, arrays))
        except BundleError as error:
            raise BundleError("the checkpoint holds another optimiser; keep the run's own, or start anew.") from error

    def weights(self) -> dict[str, NDArray[Any]]:
        """Those of the network, and the probe where it is learnt."""
        return arrays_of(self._variables) | self.network.instrument.weights()

    def facts(self) -> dict[str, Any]:
        """How large the generator is, and whether it was compiled."""
        trained = self.network.generator.trainable_variables
        return {"parameters": sum(int(tf.size(variable.value)) for variable in trained), "xla": self._xla}

    def _moments(self) -> dict[str, keras.Variable]:
        # Their order is that of the variables; Keras' names for them count up with every optimiser.
        return {str(number): variable for number, variable in enumerate(self._optimiser.variables)}


def _sum(before: tf.Tensor | None, gradient: tf.Tensor | None) -> tf.Tensor | None:
    return gradient if before is None or gradient is None else before + gradient


def _over_devices(gradients: list[tf.Tensor]) -> list[tf.Tensor]:
    """The sums over all devices; gradients are whole tensors from here on, not slices of embeddings."""
    dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
    context = tf.distribute.get_replica_context()
    summed: list[tf.Tensor] = context.all_reduce(tf.distribute.ReduceOp.SUM, dense)
    return summed
