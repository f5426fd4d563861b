"""How the probe lights the object: coverage of the canvas, the probe's size, overlap of neighbouring discs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.physics.patches import place_patches


def illumination(
    positions: NDArray[np.float64], probe: NDArray[np.complexfloating[Any, Any]], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Summed probe intensity sum_k |P(r - r_k)|^2 on the object's pixels (H, W), float32, never negative."""
    canvas = np.zeros(shape, dtype=np.float64)
    intensity = np.abs(probe.astype(np.complex128)) ** 2
    for first in range(0, len(positions), 256):
        block = positions[first : first + 256]
        place_patches(canvas, np.broadcast_to(intensity, (len(block), *intensity.shape)), block)
    # Cubic interpolation undershoots beside sharp edges.
    return np.maximum(canvas, 0).astype(np.float32)


def well_covered(illumination_map: NDArray[np.floating[Any]], threshold: float = 0.1) -> NDArray[np.bool_]:
    """Where the illumination (H, W) exceeds `threshold` times its median over the lit pixels, bool (H, W)."""
    lit = illumination_map[illumination_map > 1e-6 * illumination_map.max(initial=0)]
    if lit.size == 0:
        return np.zeros(illumination_map.shape, dtype=np.bool_)
    return np.asarray(illumination_map > threshold * np.median(lit))


def probe_diameter(probe: NDArray[np.complexfloating[Any, Any]]) -> float:
    """Diameter in object pixels of the disc whose area is (sum |P|^2)^2 / sum |P|^4, the probe's effective area."""
    intensity = np.abs(probe.astype(np.complex128)) ** 2
    area = intensity.sum() ** 2 / (intensity**2).sum()
    return float(2 * np.sqrt(area / np.pi))


def disc_overlap(distance: float, diameter: float) -> float:
    """Common part of two discs of equal `diameter` whose centres lie `distance` apart, as a fraction of one disc.

    f(d) = [2 R^2 acos(d / 2R) - (d / 2) sqrt(4 R^2 - d^2)] / (pi R^2).
    """
    radius = diameter / 2
    if distance >= diameter:
        return 0.0
    lens = 2 * radius**2 * np.arccos(distance / diameter) - distance / 2 * np.sqrt(4 * radius**2 - distance**2)
    return float(lens / (np.pi * radius**2))
