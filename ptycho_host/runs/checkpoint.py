"""Checkpoints: tensors and plain state in one safetensors file, so that one rename saves both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ptycho_host.atomic import replacing
from ptycho_host.errors import BundleError

Arrays = Mapping[str, NDArray[Any]]


def save_checkpoint(path: Path, arrays: Arrays, state: Mapping[str, Any]) -> None:
    """Write arrays by name and a JSON-serialisable state to `path`, atomically."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with replacing(path) as temporary:
        save_file(contiguous, temporary, metadata={"state": json.dumps(dict(state))})


def load_checkpoint(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays and the state that `save_checkpoint` wrote; raises BundleError for anything else."""
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            state = json.loads((file.metadata() or {})["state"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise BundleError(f"{path} is not a checkpoint of this program ({error}); delete it to start anew.") from error
    return arrays, state
