"""The complex transmission of an object from its amplitude and phase."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def transmission(amplitude: NDArray[np.floating[Any]], phase: NDArray[np.floating[Any]]) -> NDArray[np.complex64]:
    """Return amplitude (H, W) times exp(i phase), phase (H, W) in radians, complex64."""
    obj: NDArray[np.complex64] = (amplitude * np.exp(1j * phase)).astype(np.complex64)
    return obj
