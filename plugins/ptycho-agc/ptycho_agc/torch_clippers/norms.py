"""Gradients and L2 norms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch


def gradients(parameters: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """The gradients that exist, in order; changing one in place changes what the optimiser sees."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def tensor_norm(tensor: torch.Tensor) -> torch.Tensor:
    """Norm of the whole tensor, shape (1,), real and at least float32."""
    norm: torch.Tensor = torch.linalg.vector_norm(tensor, dtype=_accumulator(tensor))
    return norm.reshape(1)


def unit_norms(tensor: torch.Tensor) -> torch.Tensor:
    """Norm of each slice along dimension 0, shape (units,); vectors and scalars are one unit."""
    if tensor.ndim < 2:
        return tensor_norm(tensor)
    norms: torch.Tensor = torch.linalg.vector_norm(tensor.flatten(1), dim=1, dtype=_accumulator(tensor))
    return norms


def total_norm(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Norm of all tensors as one vector, a scalar tensor; 0 for none."""
    norms = torch.cat([tensor_norm(tensor) for tensor in tensors]) if tensors else torch.zeros(1)
    return tensor_norm(norms)[0]


def _accumulator(tensor: torch.Tensor) -> torch.dtype | None:
    # Squares overflow float16 above 256 and lose most digits in bfloat16.
    return torch.float32 if tensor.dtype in (torch.float16, torch.bfloat16) else None
