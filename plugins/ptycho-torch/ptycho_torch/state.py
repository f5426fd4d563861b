"""Networks and optimisers as arrays by name, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ptycho_host.errors import BundleError

Arrays = Mapping[str, NDArray[Any]]

WEIGHTS = "weights."
OPTIMISER = "optimiser."


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


def arrays_of(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, NDArray[Any]]:
    """Copies of all that `put_back` needs to go on with exactly the same numbers."""
    arrays = {WEIGHTS + name: array for name, array in weights_of(network).items()}
    for index, tensors in optimiser.state_dict()["state"].items():
        for key, tensor in tensors.items():
            arrays[f"{OPTIMISER}{index}.{key}"] = tensor.detach().cpu().numpy().copy()
    return arrays


def put_back(arrays: Arrays, network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Put the arrays of `arrays_of` in place; raises BundleError when they do not fit."""
    load_weights(network, _under(WEIGHTS, arrays))
    moments: dict[int, dict[str, torch.Tensor]] = {}
    try:
        for name, array in _under(OPTIMISER, arrays).items():
            index, _, key = name.partition(".")
            moments.setdefault(int(index), {})[key] = torch.from_numpy(np.array(array))
        optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"the checkpoint does not fit this run ({error}); delete it to start anew.") from error


def _under(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
