"""Where patches are, and what can go on with them there."""

from __future__ import annotations

import sys
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ptycho_host.contracts import DeviceBatch, PatchBatch


def left_to_torch(batch: PatchBatch) -> TypeGuard[DeviceBatch]:
    """Whether an engine left the patches on its device as tensors of Torch, which is then at hand."""
    return isinstance(batch, DeviceBatch) and library_of(batch.tensor).__name__ == "torch"


def library_of(array: Any) -> Any:
    """The library that an array or a tensor is of: functions that are called alike can be taken from it."""
    return sys.modules[type(array).__module__.partition(".")[0]]


def turned(batch: PatchBatch, factors: NDArray[np.complex64], part: slice) -> PatchBatch:
    """Some patches of a batch times one factor (B,) each, where they are."""
    factors, positions = factors[part, None, None], batch.positions[part]
    if left_to_torch(batch):
        import torch

        there = torch.from_numpy(factors).to(batch.tensor.device)
        return DeviceBatch(batch.tensor[part] * there, positions, batch.fetch)
    return PatchBatch(batch.patches[part] * factors, positions)


def in_memory(array: Any) -> NDArray[Any]:
    """An array as it is, a tensor copied."""
    copied: NDArray[Any] = array if isinstance(array, np.ndarray) else array.cpu().numpy()
    return copied
