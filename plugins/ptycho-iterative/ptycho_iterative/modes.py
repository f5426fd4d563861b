"""Probes of several modes whose intensities add on the detector: light that is only partly coherent."""

from __future__ import annotations

import torch
from torch import Tensor

FIRST_SHARE = 0.05
"""Part of the light that a new mode begins with."""


def with_modes(modes: Tensor, count: int) -> Tensor:
    """Modes (count, N, N) from those of (L, N, N), with the same light: the first ones of them, and then new ones.

    A new one is the first one times x, y, x^2, x y, …, less what the modes before it have of it.
    """
    held, light = modes[:count], _light(modes)
    missing = count - len(held)
    if missing:
        products = modes[:1] * _products(missing, modes.shape[-1]).to(modes.device)
        new = torch.linalg.qr(torch.cat([held, products]).flatten(1).T).Q.T[len(held) :]
        held = torch.cat([held, (FIRST_SHARE * light).sqrt() * new.view(products.shape)])
    return held * (light / _light(held)).sqrt()


def orthogonal(modes: Tensor) -> Tensor:
    """The orthogonal modes (K, N, N), strongest first, that give the same intensities behind any object.

    Modes may be mixed by any unitary matrix: these are the principal ones (Thibault and Menzel, Nature 494 (2013) 68).
    """
    if len(modes) == 1:
        return modes
    left, sizes, right = torch.linalg.svd(modes.flatten(1), full_matrices=False)
    # Each keeps the phase of the mode that has most of it.
    largest = left.gather(0, left.abs().argmax(dim=0, keepdim=True))[0]
    return ((sizes * largest / largest.abs())[:, None] * right).view(modes.shape)


def _light(modes: Tensor) -> Tensor:
    return modes.abs().square().sum()


def _products(count: int, pixels: int) -> Tensor:
    """x, y, x^2, x y, y^2, … (count, N, N), coordinates from -1 to 1."""
    axis = torch.linspace(-1, 1, pixels)
    powers = [(i - j, j) for i in range(1, count + 1) for j in range(i + 1)]
    return torch.stack([axis[:, None] ** j * axis**i for i, j in powers[:count]])
