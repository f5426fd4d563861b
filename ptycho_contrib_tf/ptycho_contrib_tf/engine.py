"""The TensorFlow engine: where the pieces of a training meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ptycho_contrib_tf.consistency import GroupMerger
from ptycho_contrib_tf.devices import Device, Devices
from ptycho_contrib_tf.forward import Forward, TrainedForward
from ptycho_contrib_tf.instrument import LOG_FACTOR, Instrument
from ptycho_contrib_tf.isolation import Precision, own_gradients, own_precision, own_randomness, use_threads
from ptycho_contrib_tf.network import PatternNetwork
from ptycho_contrib_tf.objective import Objective
from ptycho_contrib_tf.optimisation import build_optimiser
from ptycho_contrib_tf.patterns import PatternFeed
from ptycho_contrib_tf.predict import predict_patches
from ptycho_contrib_tf.steps import KerasSteps
from ptycho_contrib_tf.weights import assign, network_weights
from ptycho_contrib_tf.workbench import KerasWorkbench
from ptycho_host.contracts import Bundle, PatchBatch, RunContext, TrainingComponents, TrainingProblem
from ptycho_host.data.scan import Scan
from ptycho_host.training.loop import TrainingLoop
from ptycho_host.training.sampling import GroupSampler, prediction_groups
from ptycho_host.training.state import TrainingState

ON_CPU, ON_GPU = 8, 256
"""Groups of patterns a prediction step. On CPUs it takes longer to get the memory of large batches than to compute."""


@dataclass(frozen=True, slots=True)
class KerasEngine:
    """Trains and predicts with TensorFlow and Keras (`ptycho_host.contracts.TrainingEngine`)."""

    device: Device
    precision: Precision
    devices: int
    threads: int | None
    prediction_batch: int | None
    xla: bool | None
    trainable_probe: bool
    trainable_intensity_scale: bool
    _kept: list[TrainedForward] = field(default_factory=list, init=False, repr=False, compare=False)

    def workbench(self) -> KerasWorkbench:
        """Single components, on the engine's device and in its precision; raises InputError when it is not there."""
        return KerasWorkbench(Devices.choose(self.device), self.precision)

    def train(self, problem: TrainingProblem, components: TrainingComponents, run: RunContext) -> Bundle:
        """Train the generator; raises RunFailedError when training diverges, BundleError for a foreign checkpoint."""
        too_late = use_threads(self.threads)
        if too_late is not None:
            run.progress.note(too_late)
        devices = Devices.choose(self.device, self.devices)
        problem = _for_devices(problem, self.devices)
        with devices.first(), own_gradients():
            loop = self._prepare(devices, problem, components, run)
            if run.resume:
                loop.resume()
            loop.train()
        return loop.bundle()

    def predict(self, bundle: Bundle, scan: Scan) -> Iterator[PatchBatch]:
        """Object patches of all patterns in model units, in order; raises BundleError when bundle and scan misfit."""
        groups = prediction_groups(bundle, scan)
        use_threads(self.threads)
        devices = Devices.choose(self.device)
        scale = bundle.scale.for_probe(scan.probe)
        feed = PatternFeed(scan, scale, bundle.shape.channels)
        forward = self._trained(bundle, scale.model_probe(scan.probe), scan.bad_pixels, devices)
        return predict_patches(forward, feed, groups, devices)

    def _trained(
        self, bundle: Bundle, probe: NDArray[np.complex64], bad_pixels: NDArray[np.bool_] | None, devices: Devices
    ) -> Forward:
        """The network of the bundle under a probe in model units; the last one is kept, with all that was compiled."""
        if self._kept and self._kept[0].serves(bundle, probe, bad_pixels):
            return self._kept[0].forward
        with devices.first(), own_randomness(0), own_precision(self.precision):
            instrument = Instrument(probe, trainable_intensity_scale=LOG_FACTOR in bundle.weights)
            network = PatternNetwork(bundle.generator.build(bundle.shape), instrument, bundle.shape, bad_pixels)
            assign(network_weights(network), bundle.network_weights)
            self._kept[:] = [TrainedForward(bundle, probe, bad_pixels, self._forward(network, devices))]
        return self._kept[0].forward

    def _prepare(
        self, devices: Devices, problem: TrainingProblem, components: TrainingComponents, run: RunContext
    ) -> TrainingLoop:
        """The generator and all that training needs around it, as new."""
        options, scan, scale = problem.options, problem.scan, problem.scale
        sampler = GroupSampler.for_problem(problem)
        probe = scale.model_probe(scan.probe)
        merger = None
        if sampler.size > 1 and options.group_weight > 0:
            merger = GroupMerger(probe, scan.positions, sampler.reach)
        elif options.group_size > 1 and options.group_weight > 0:
            run.progress.note("no patterns overlap, so every pattern is trained by itself")
        strategy = devices.strategy()
        with strategy.scope(), own_randomness(problem.seed), own_precision(self.precision):
            instrument = Instrument(
                probe,
                trainable_probe=self.trainable_probe,
                trainable_intensity_scale=self.trainable_intensity_scale,
            )
            generator = components.generator.build(problem.shape)
            network = PatternNetwork(generator, instrument, problem.shape, scan.bad_pixels)
            optimiser = build_optimiser(options)
            optimiser.build(network.trained)
        truth = scale.model_object(scan.truth) if problem.supervised and scan.truth is not None else None
        steps = KerasSteps(
            strategy,
            network,
            optimiser,
            PatternFeed(scan, scale, problem.channels, truth, merger),
            Objective(components.losses, options, merger, scan.bad_pixels),
            components.clip,
            self._forward(network, devices),
            xla=self._compiles(devices),
        )
        return TrainingLoop(problem, components.generator, steps, sampler, run, TrainingState(problem.seed))

    def _forward(self, network: PatternNetwork, devices: Devices) -> Forward:
        batch = self.prediction_batch or (ON_GPU if devices.on_gpu else ON_CPU)
        return Forward(network, batch, xla=self._compiles(devices))

    def _compiles(self, devices: Devices) -> bool:
        return devices.on_gpu if self.xla is None else self.xla


def build(
    *,
    device: Annotated[Device, Field(description="where to compute; auto takes a GPU if there is one")] = "auto",
    precision: Annotated[
        Precision, Field(description="arithmetic of the network; the physics is always float32")
    ] = "32-true",
    devices: Annotated[int, Field(ge=1, description="devices of this machine to train on (MirroredStrategy)")] = 1,
    threads: Annotated[
        int | None, Field(ge=1, description="CPU threads of the process; none leaves it to TensorFlow")
    ] = None,
    prediction_batch: Annotated[
        int | None,
        Field(ge=1, description=f"groups of patterns a prediction step; none: {ON_CPU} on CPUs, {ON_GPU} on GPUs"),
    ] = None,
    xla: Annotated[
        bool | None, Field(description="compile loss, gradients and prediction with XLA; none: on GPUs only")
    ] = None,
    trainable_probe: Annotated[bool, Field(description="learn the probe too, from the scan's as a start")] = False,
    trainable_intensity_scale: Annotated[bool, Field(description="learn one common factor of all patches")] = False,
) -> KerasEngine:
    """The TensorFlow engine with the given devices, precision and compilation."""
    return KerasEngine(
        device, precision, devices, threads, prediction_batch, xla, trainable_probe, trainable_intensity_scale
    )


def _for_devices(problem: TrainingProblem, devices: int) -> TrainingProblem:
    """The problem with the batches of all `devices` as one, which they share evenly: whole groups for each."""
    if devices == 1:
        return problem
    size = problem.channels if problem.channels > 1 else problem.options.group_size
    groups = max(1, problem.options.batch_size // size)
    options = problem.options.model_copy(update={"batch_size": groups * size * devices})
    return replace(problem, options=options)
