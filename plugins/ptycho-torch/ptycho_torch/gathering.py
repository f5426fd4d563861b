"""Bringing the processes of a training together, and what they tell each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException
from numpy.typing import NDArray

from ptycho_host.errors import InputError, RunFailedError
from ptycho_host.processes import Processes
from ptycho_torch.isolation import without_greetings


def shape_of_world(devices: int | None, nodes: int | None) -> tuple[int, int]:
    """Devices a node and nodes; what is None is as torchrun has it, or one.

    Raises InputError when torchrun started another number of processes.
    """
    if not torch.distributed.is_torchelastic_launched():
        return devices or 1, nodes or 1
    world, local = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    shape = devices or local, nodes or world // local
    if shape[0] * shape[1] != world:
        raise InputError(
            f"torchrun started {world} process(es), and engine.devices times engine.nodes is {shape[0]} x {shape[1]}; "
            f"set engine.devices={local} and engine.nodes={world // local}, or leave both out."
        )
    return shape


@contextmanager
def refusing_devices() -> Iterator[None]:
    """Raise InputError where Fabric finds less than the devices it was asked for, or other tasks of SLURM."""
    try:
        yield
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        raise InputError(f"engine.devices and engine.nodes cannot be had as set: {_first_line(error)}") from error


def gather(fabric: Fabric) -> None:
    """Start the processes that no launcher started, and wait for all; raises RunFailedError when they do not come."""
    with refusing_devices(), without_greetings():
        fabric.launch()


def processes_of(fabric: Fabric) -> Processes:
    """The processes of a launched Fabric."""
    if fabric.world_size == 1:
        return Processes()
    return Processes(fabric.global_rank, fabric.world_size, partial(_total, fabric))


@contextmanager
def connected(fabric: Fabric) -> Iterator[None]:
    """Raise RunFailedError where the block fails because another process has gone, InputError for idle parameters."""
    try:
        yield
    except RuntimeError as error:
        if fabric.world_size > 1 and "not used in producing loss" in str(error):
            raise InputError(
                "the generator has parameters that its patches do not depend on, so that processes wait for their "
                "gradients in vain; remove them, or train on one device."
            ) from error
        if fabric.world_size == 1 or not _is_of_connection(error):
            raise
        raise RunFailedError("another process of this run has ended, so this one cannot go on.") from error


def _total(fabric: Fabric, array: NDArray[Any]) -> NDArray[Any]:
    tensor = torch.from_numpy(np.array(array, order="C"))
    parts = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    summed = parts.to(fabric.device)
    with connected(fabric):
        # Fabric's own way waits for all processes before it adds up: twice the time for a single number.
        torch.distributed.all_reduce(summed)
    summed = summed.cpu()
    total: NDArray[Any] = (torch.view_as_complex(summed) if tensor.is_complex() else summed).numpy()
    return total


def _is_of_connection(error: RuntimeError) -> bool:
    return isinstance(error, torch.distributed.DistError) or "gloo" in str(error)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
