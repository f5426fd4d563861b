"""The Torch engine: where the pieces of a training meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.strategies import DDPStrategy
from pydantic import Field

from ptycho_host.configured import scope_of
from ptycho_host.contracts import Bundle, PatchBatch, RunContext, TrainingComponents, TrainingProblem
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError
from ptycho_host.processes import Processes
from ptycho_host.training.loop import TrainingLoop
from ptycho_host.training.sampling import GroupSampler, prediction_groups
from ptycho_host.training.state import TrainingState
from ptycho_torch.consistency import GroupMerger
from ptycho_torch.gathering import connected, gather, processes_of, refusing_devices, shape_of_world
from ptycho_torch.isolation import own_randomness, own_threads, without_greetings
from ptycho_torch.objective import Objective
from ptycho_torch.optimisation import build_optimiser
from ptycho_torch.patterns import PatternFeed, PatternNetwork
from ptycho_torch.precision import Arithmetic, precision_of
from ptycho_torch.predict import predict_patches, predict_regions
from ptycho_torch.regions import RegionNetwork
from ptycho_torch.state import load_weights
from ptycho_torch.steps import FabricSteps
from ptycho_torch.workbench import TorchWorkbench

PIXELS_ON_CPU = 2**16
"""Pixels of all patterns of a prediction step on a CPU, whose caches hold the features of no more."""
PIXELS_ON_GPU = 2**22
"""The same on a GPU: with fewer it waits for the next kernel to be started, with more it is hardly faster."""
IN_A_REGION = 512
"""Patterns that a generator of whole scans is asked for at a time, besides those around them that it sees too."""
NETWORKS = {"pattern": PatternNetwork, "scan": RegionNetwork}
"""What surrounds a generator of each scope."""
PATIENCE = timedelta(days=1)
"""How long processes wait for the first one, which measures and refines alone."""


@dataclass(frozen=True, slots=True)
class FabricEngine:
    """Trains and predicts with Torch on Lightning Fabric (`ptycho_host.contracts.SharedEngine`)."""

    device: Literal["auto", "cpu", "cuda"]
    precision: Arithmetic
    devices: int | None
    nodes: int | None
    threads: int | None
    prediction_batch: int | None
    probe_rate: float | None = None
    _gathered: list[Fabric] = field(default_factory=list, init=False, repr=False, compare=False)

    def processes(self) -> Processes:
        """Those that train together, joined or started; raises InputError when there are not the devices asked for."""
        return processes_of(self._together())

    def train(self, problem: TrainingProblem, components: TrainingComponents, run: RunContext) -> Bundle:
        """Train the generator; raises RunFailedError when training diverges, BundleError for a foreign checkpoint."""
        fabric = self._together()
        with (
            own_randomness(problem.seed, fabric.device),
            own_threads(self.threads),
            connected(fabric),
            without_greetings(),
        ):
            loop = _prepare(fabric, problem, components, run, self.probe_rate)
            loop.train()
        return loop.bundle()

    def predict(self, bundle: Bundle, scan: Scan, share: slice = slice(None)) -> Iterator[PatchBatch]:
        """Object patches of the patterns of `share` in model units, in order, on the device of this process alone.

        Raises BundleError when bundle and scan misfit.
        """
        groups = prediction_groups(bundle, scan)[share]
        fabric, scope = self._alone(), scope_of(bundle.generator)
        with own_randomness(0, fabric.device):
            generator = bundle.generator.build(bundle.shape)
        load_weights(generator, bundle.network_weights)
        with without_greetings():
            network = fabric.setup_module(NETWORKS[scope](generator))
        feed = PatternFeed(scan, bundle.scale.for_probe(scan.probe), fabric.device)
        if scope == "scan":
            return predict_regions(network, feed, groups[:, 0], self.prediction_batch or IN_A_REGION, self.threads)
        at_once = PIXELS_ON_CPU if fabric.device.type == "cpu" else PIXELS_ON_GPU
        batch = self.prediction_batch or max(1, at_once // scan.pixels**2)
        return predict_patches(network, feed, groups, batch, self.threads)

    def workbench(self) -> TorchWorkbench:
        """Single components on one device, in the engine's precision."""
        return TorchWorkbench(self._alone())

    def _together(self) -> Fabric:
        """All devices of the training; processes are brought together once."""
        if self._gathered:
            return self._gathered[0]
        devices, nodes = shape_of_world(self.devices, self.nodes)
        with refusing_devices():
            fabric = self._fabric(devices, nodes)
        if fabric.world_size > 1:
            gather(fabric)
            self._gathered.append(fabric)
        return fabric

    def _alone(self) -> Fabric:
        """One device: where several processes share the work, this one's."""
        own = self._gathered[0].device.index if self._gathered else None
        return self._fabric(1 if own is None else [own])

    def _fabric(self, devices: int | list[int], nodes: int = 1) -> Fabric:
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError("engine.device is 'cuda', but Torch finds no CUDA device; use 'auto' or 'cpu'.")
        # One device alone is nothing that a cluster has a say in, such as a job of SLURM that this is run inside of.
        alone = nodes == 1 and (devices == 1 or isinstance(devices, list))
        arithmetic = precision_of(self.precision, on_gpu=self.device != "cpu" and torch.cuda.is_available())
        with without_greetings():
            return Fabric(
                accelerator=self.device,
                devices=devices,
                num_nodes=nodes,
                strategy="auto" if alone else DDPStrategy(timeout=PATIENCE),
                plugins=[arithmetic, LightningEnvironment()] if alone else [arithmetic],
            )


def build(
    *,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], Field(description="where to compute; auto takes a GPU if there is one")
    ] = "auto",
    precision: Annotated[
        Arithmetic, Field(description="arithmetic of the network; the physics is always float32")
    ] = "32-true",
    devices: Annotated[
        int | None, Field(ge=1, description="devices a node, a process each; none: one, under torchrun its processes")
    ] = None,
    nodes: Annotated[
        int | None, Field(ge=1, description="nodes, started by SLURM or torchrun; none: one, under torchrun its nodes")
    ] = None,
    threads: Annotated[int | None, Field(ge=1, description="CPU threads; none leaves it to Torch")] = None,
    prediction_batch: Annotated[
        int | None,
        Field(
            ge=1,
            description=f"patterns a prediction step; none: as many as have {PIXELS_ON_CPU} pixels on CPUs, "
            f"{PIXELS_ON_GPU} on GPUs, of whole regions {IN_A_REGION}",
        ),
    ] = None,
    trainable_probe: Annotated[bool, Field(description="learn the probe too, from the scan's as a start")] = False,
    probe_rate: Annotated[
        float, Field(gt=0, le=1000, description="how many times faster than the generator's weights it is learnt")
    ] = 30.0,
) -> FabricEngine:
    """The Torch engine with the given devices and precision."""
    rate = probe_rate if trainable_probe else None
    return FabricEngine(device, precision, devices, nodes, threads, prediction_batch, rate)


def _prepare(
    fabric: Fabric,
    problem: TrainingProblem,
    components: TrainingComponents,
    run: RunContext,
    probe_rate: float | None,
) -> TrainingLoop:
    """The generator and all that training needs around it, as new or as the last checkpoint left it."""
    options, scan = problem.options, problem.scan
    generator = components.generator.build(problem.shape)
    feed = PatternFeed(scan, problem.scale, fabric.device, probe_rate)
    sampler = GroupSampler.for_problem(problem)
    merger, seen_at_once = None, problem.channels
    if problem.scope == "scan":
        seen_at_once = sampler.size
    elif sampler.size > 1 and options.group_weight > 0:
        merger = GroupMerger(feed.probe.detach(), scan.positions, sampler.reach)
    elif options.group_size > 1 and options.group_weight > 0:
        run.progress.note("no patterns overlap, so every pattern is trained by itself")
    network, optimiser = fabric.setup(
        NETWORKS[problem.scope](generator, feed.instrument),
        build_optimiser([*generator.parameters(), *feed.instrument.parameters()], options),
    )
    objective = Objective(components.losses, feed, options, merger, supervised=problem.supervised)
    steps = FabricSteps(fabric, generator, network, optimiser, feed, objective, components.clip, seen_at_once)
    state, processes = TrainingState(problem.seed), processes_of(fabric)
    loop = TrainingLoop(problem, components.generator, steps, sampler, run, state, processes)
    if run.resume:
        loop.resume()
    return loop
