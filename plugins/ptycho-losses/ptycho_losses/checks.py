"""What every loss demands of its two arguments, whatever the tensor library."""

from __future__ import annotations

from ptycho_host.contracts import Measurement, Tensor
from ptycho_host.errors import InputError


def require_same_shape(predicted: Tensor, measured: Tensor) -> None:
    """Refuse a silent broadcast: raises ValueError unless both tensors have one shape."""
    if tuple(predicted.shape) != tuple(measured.shape):
        raise ValueError(f"prediction {tuple(predicted.shape)} and target {tuple(measured.shape)} differ in shape")


def true_patches(target: Measurement, loss: str) -> Tensor:
    """The true object patches (B, C, N, N) of a measurement; raises InputError when the truth is not known."""
    if target.object_patches is None:
        raise InputError(
            f"loss '{loss}' compares with the true object, and this scan has none: "
            "train on a simulated scan or on a file with 'objectGuess', or choose a loss on patterns such as 'mae'."
        )
    return target.object_patches
