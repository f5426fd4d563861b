"""Checkpoints: tensors and plain state in one safetensors file, so that one rename saves both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from ptycho_host.errors import BundleError
from ptycho_host.runs.tensors import Arrays, write_arrays


def save_checkpoint(path: Path, arrays: Arrays, state: Mapping[str, Any]) -> None:
    """Write arrays by name and a JSON-serialisable state to `path`, atomically."""
    write_arrays(path, arrays, {"state": json.dumps(dict(state))})


def load_checkpoint(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays and the state that `save_checkpoint` wrote; raises BundleError for anything else."""
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            state = json.loads((file.metadata() or {})["state"])
        if not isinstance(state, dict):
            raise ValueError(f"its state is a {type(state).__name__}")
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise BundleError(f"{path} is not a checkpoint of this program ({error}); delete it to start anew.") from error
    return arrays, state
