"""The state of a training as arrays and plain values, and back: what a checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ptycho_host.errors import BundleError
from ptycho_host.runs.checkpoint import load_checkpoint, save_checkpoint
from ptycho_torch.optimisation import Plateau

Arrays = Mapping[str, NDArray[Any]]

WEIGHTS = "weights."
OPTIMISER = "optimiser."


@dataclass
class TrainingState:
    """Everything about a training apart from the tensors. `epoch` counts finished epochs, `seconds` all training."""

    seed: int
    epoch: int = 0
    patterns: int = 0
    seconds: float = 0.0
    training_loss: float | None = None
    validation_loss: float | None = None
    best_loss: float | None = None
    best_epoch: int = 0
    collapsed: bool = False
    setbacks: int = 0
    rate_factor: float = 1.0
    plateau: Plateau = field(default_factory=Plateau)


def weights_of(network: nn.Module) -> dict[str, NDArray[Any]]:
    """A copy of the parameters and buffers, arrays by name."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()}


def load_weights(network: nn.Module, weights: Arrays) -> None:
    """Put the arrays by name into the network; raises BundleError when names or shapes do not fit."""
    try:
        network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise BundleError(
            f"the weights do not fit the generator ({reason}); it was trained with other options or another version."
        ) from error


@dataclass(frozen=True)
class Snapshot:
    """A moment of training: copies of all tensors and of the state, which training does not touch any more."""

    arrays: Arrays
    values: Mapping[str, Any]

    def write(self, path: Path) -> None:
        """Write all that `restore_training` needs to go on with exactly the same numbers."""
        save_checkpoint(path, self.arrays, self.values)


def snapshot(network: nn.Module, optimiser: torch.optim.Optimizer, state: TrainingState) -> Snapshot:
    """Copy network, optimiser and state as they are now."""
    arrays = {WEIGHTS + name: array for name, array in weights_of(network).items()}
    for index, tensors in optimiser.state_dict()["state"].items():
        for key, tensor in tensors.items():
            arrays[f"{OPTIMISER}{index}.{key}"] = tensor.detach().cpu().numpy().copy()
    return Snapshot(arrays, asdict(state))


def restore_training(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer) -> TrainingState:
    """Put the tensors of a checkpoint in place and return its state; raises BundleError when it does not fit."""
    arrays, values = load_checkpoint(path)
    load_weights(network, _under(WEIGHTS, arrays))
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, array in _under(OPTIMISER, arrays).items():
        index, _, key = name.partition(".")
        moments.setdefault(int(index), {})[key] = torch.from_numpy(array)
    try:
        optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
        return TrainingState(**{**values, "plateau": Plateau(**values["plateau"])})
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{path} does not fit this run ({error}); delete it to start anew.") from error


def _under(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
