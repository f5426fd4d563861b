"""Arrays by name in a safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from ptycho_host.atomic import replacing
from ptycho_host.errors import RunFailedError

Arrays = Mapping[str, NDArray[Any]]


def write_arrays(path: Path, arrays: Arrays, metadata: Mapping[str, str] | None = None) -> None:
    """Write arrays by name and text metadata, atomically; raises RunFailedError when the disk is full."""
    # safetensors takes the memory as it lies: an array in another order than C would come back scrambled.
    ordered = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with replacing(path) as temporary:
        try:
            save_file(ordered, temporary, metadata=dict(metadata or {}))
        except SafetensorError as error:
            raise RunFailedError(f"cannot write {path}: {error}; the old file is unchanged.") from error
