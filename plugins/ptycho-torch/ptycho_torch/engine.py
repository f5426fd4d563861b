"""The Torch engine: where the pieces of a training meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import nn

from ptycho_host.contracts import Bundle, PatchBatch, RunContext, TrainingComponents, TrainingProblem
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError
from ptycho_host.training.loop import TrainingLoop
from ptycho_host.training.sampling import GroupSampler, prediction_groups
from ptycho_host.training.state import TrainingState
from ptycho_torch.consistency import GroupMerger
from ptycho_torch.isolation import own_randomness, own_threads
from ptycho_torch.objective import Objective
from ptycho_torch.optimisation import build_optimiser
from ptycho_torch.patterns import PatternFeed, PatternNetwork
from ptycho_torch.predict import predict_patches
from ptycho_torch.state import load_weights, weights_of
from ptycho_torch.steps import FabricSteps
from ptycho_torch.workbench import TorchWorkbench

ON_CPU, ON_GPU = 8, 256
"""Patterns a prediction step. On CPUs the memory of large batches takes longer to get than to compute with."""


@dataclass(frozen=True, slots=True)
class FabricEngine:
    """Trains and predicts with Torch on Lightning Fabric (`ptycho_host.contracts.TrainingEngine`)."""

    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["32-true", "bf16-mixed"]
    devices: int
    nodes: int
    threads: int | None
    prediction_batch: int | None

    def train(self, problem: TrainingProblem, components: TrainingComponents, run: RunContext) -> Bundle:
        """Train the generator; raises RunFailedError when training diverges, BundleError for a foreign checkpoint."""
        fabric = self._fabric(self.devices, self.nodes)
        if fabric.world_size > 1:
            fabric.launch()
        with own_randomness(problem.seed, fabric.device), own_threads(self.threads):
            generator = components.generator.build(problem.shape)
            loop = _prepare(fabric, generator, problem, components, run)
            loop.train()
        return Bundle(
            generator=components.generator,
            weights=weights_of(generator),
            shape=problem.shape,
            scale=problem.scale,
            facts={
                "parameters": sum(parameter.numel() for parameter in generator.parameters()),
                **loop.state.facts(problem),
            },
        )

    def predict(self, bundle: Bundle, scan: Scan) -> Iterator[PatchBatch]:
        """Object patches of all patterns in model units, in order; raises BundleError when bundle and scan misfit."""
        groups = prediction_groups(bundle, scan)
        fabric = self._fabric(devices=1, nodes=1)
        batch = self.prediction_batch or (ON_CPU if fabric.device.type == "cpu" else ON_GPU)
        with own_randomness(0, fabric.device):
            generator = bundle.generator.build(bundle.shape)
        load_weights(generator, bundle.weights)
        network = fabric.setup_module(PatternNetwork(generator))
        feed = PatternFeed(scan, bundle.scale.for_probe(scan.probe), fabric.device)
        return predict_patches(network, feed, groups, batch, self.threads)

    def workbench(self) -> TorchWorkbench:
        """Single components on one device, in the engine's precision."""
        return TorchWorkbench(self._fabric(devices=1, nodes=1))

    def _fabric(self, devices: int, nodes: int) -> Fabric:
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError("engine.device is 'cuda', but Torch finds no CUDA device; use 'auto' or 'cpu'.")
        return Fabric(accelerator=self.device, devices=devices, num_nodes=nodes, precision=self.precision)


def build(
    *,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], Field(description="where to compute; auto takes a GPU if there is one")
    ] = "auto",
    precision: Annotated[
        Literal["32-true", "bf16-mixed"], Field(description="arithmetic of the network; the physics is always float32")
    ] = "32-true",
    devices: Annotated[int, Field(ge=1, description="devices a node to train on")] = 1,
    nodes: Annotated[int, Field(ge=1, description="nodes to train on, started by torchrun or SLURM")] = 1,
    threads: Annotated[int | None, Field(ge=1, description="CPU threads; none leaves it to Torch")] = None,
    prediction_batch: Annotated[
        int | None, Field(ge=1, description=f"patterns a prediction step; none: {ON_CPU} on CPUs, {ON_GPU} on GPUs")
    ] = None,
) -> FabricEngine:
    """The Torch engine with the given devices and precision."""
    return FabricEngine(device, precision, devices, nodes, threads, prediction_batch)


def _prepare(
    fabric: Fabric, generator: nn.Module, problem: TrainingProblem, components: TrainingComponents, run: RunContext
) -> TrainingLoop:
    """All that training needs around the generator, as new or as the last checkpoint left it."""
    options, scan = problem.options, problem.scan
    feed = PatternFeed(scan, problem.scale, fabric.device)
    sampler = GroupSampler.for_problem(problem)
    merger = None
    if sampler.size > 1 and options.group_weight > 0:
        merger = GroupMerger(feed.probe, scan.positions, sampler.reach)
    elif options.group_size > 1 and options.group_weight > 0:
        run.progress.note("no patterns overlap, so every pattern is trained by itself")
    network, optimiser = fabric.setup(PatternNetwork(generator), build_optimiser(generator.parameters(), options))
    objective = Objective(components.losses, feed, options, merger, supervised=problem.supervised)
    steps = FabricSteps(fabric, network, optimiser, feed, objective, components.clip, problem.channels)
    loop = TrainingLoop(problem, steps, sampler, run, TrainingState(problem.seed))
    if run.resume:
        loop.resume()
    return loop
