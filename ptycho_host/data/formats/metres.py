"""From metres to object pixels: the far field ties the object's pixel to wavelength, distance and detector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.scan import Positions

PLANCK_TIMES_LIGHT = 6.62607015e-34 * 299_792_458
"""h c in joules times metres, exact since the SI of 2019."""
ELECTRONVOLT = 1.602176634e-19
"""Joules."""


def wavelength(energy_ev: float) -> float:
    """Wavelength in metres of photons of `energy_ev` electronvolts, h c / E."""
    return PLANCK_TIMES_LIGHT / (energy_ev * ELECTRONVOLT)


def far_field_pixel(energy_ev: float, distance_m: float, pixels: int, other_pixel_m: float) -> float:
    """Pixel in metres at one end of the far field, from that at the other: lambda z / (N p); its own inverse."""
    return wavelength(energy_ev) * distance_m / (pixels * other_pixel_m)


def placed(positions: NDArray[np.float64], pixels: int) -> Positions:
    """Positions (M, 2) of any origin in object pixels, moved so that all patches lie on a canvas from pixel zero on.

    One pixel is left free beside the outermost patches, which interpolation reaches for.
    """
    moved: Positions = positions - positions.min(axis=0) + pixels / 2 + 1
    return moved
