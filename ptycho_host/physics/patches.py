"""Cutting patches from an object and placing them back, at sub-pixel positions.

Pixel n of the patch at position y lies at object coordinate y - N/2 + n. Between pixels the object is
interpolated by Keys' cubic convolution (IEEE Trans. ASSP 29 (1981), eq. 15, a = -1/2), separably: four taps an
axis. At whole pixels the taps are (0, 1, 0, 0), so nothing is interpolated. `place_patches` is the exact adjoint
of `extract_patches`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Complex = NDArray[np.complexfloating[Any, Any]]
Inexact = NDArray[Any]
"""Real or complex floating-point numbers."""

TAPS = 4
"""Object pixels that one patch pixel is interpolated from, along each axis."""
BEFORE = 1
"""How many of the taps lie before the pixel that contains the coordinate."""


def corners_and_fractions(positions: NDArray[np.float64], pixels: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Whole and fractional part of each patch's first coordinate, both (M, 2) (y, x); 0 <= fraction < 1."""
    # Positions come from files in single or double precision: a millionth of a pixel is a whole pixel.
    first = np.round(positions - pixels / 2, 6)
    corner = np.floor(first)
    return corner.astype(np.int64), first - corner


def tap_weights(fraction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (…, 4) of the object pixels at -1, 0, 1, 2 from the pixel `fraction` (…) lies behind; they sum to 1."""
    distance = np.abs(fraction[..., None] - np.arange(-BEFORE, TAPS - BEFORE))
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


def extract_patches(obj: Complex, positions: NDArray[np.float64], pixels: int) -> Complex:
    """Patches (B, N, N) of the object (H, W) at `positions` (B, 2) (y, x), same dtype; zero beyond the object.

    Raises IndexError for positions whose patch has no pixel within one pixel of the object.
    """
    corner, fraction = corners_and_fractions(positions, pixels)
    padded = np.pad(obj, pixels + BEFORE)
    reach = pixels + TAPS - 1
    start = corner + pixels
    if np.any(start < 0) or np.any(start + reach > padded.shape):
        raise IndexError("a patch lies wholly outside the object")
    windows = sliding_window_view(padded, (reach, reach))[start[:, 0], start[:, 1]]
    return _combine_taps(_combine_taps(windows, fraction[:, 0], 1), fraction[:, 1], 2)


def place_patches(canvas: Inexact, patches: Inexact, positions: NDArray[np.float64]) -> None:
    """Add patches (B, N, N) to the canvas (H, W) in place at `positions` (B, 2) (y, x).

    What falls outside the canvas is lost.
    """
    add_windows(canvas, *spread_patches(patches, positions))


def spread_patches(patches: Inexact, positions: NDArray[np.float64]) -> tuple[Inexact, NDArray[np.int64]]:
    """Patches (B, N, N) at `positions` (B, 2) as they lie on whole pixels, (B, N + 3, N + 3), and their corners."""
    corner, fraction = corners_and_fractions(positions, patches.shape[-1])
    return _spread_taps(_spread_taps(patches, fraction[:, 0], 1), fraction[:, 1], 2), corner - BEFORE


def add_windows(canvas: Inexact, windows: Inexact, corners: NDArray[np.int64]) -> None:
    """Add windows (B, n, n, …) to the canvas (H, W, …) in place, their first pixels at `corners` (B, 2) (y, x).

    What falls outside the canvas is lost.
    """
    height, width = canvas.shape[:2]
    reach = windows.shape[1]
    for (top, left), window in zip(corners.tolist(), windows, strict=True):
        rows = slice(max(top, 0), min(top + reach, height))
        columns = slice(max(left, 0), min(left + reach, width))
        if rows.start < rows.stop and columns.start < columns.stop:
            canvas[rows, columns] += window[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]


def _combine_taps(windows: Complex, fraction: NDArray[np.float64], axis: int) -> Complex:
    """Interpolate along `axis`, which shrinks by TAPS - 1."""
    if not fraction.any():
        return np.take(windows, np.arange(BEFORE, windows.shape[axis] - (TAPS - 1 - BEFORE)), axis=axis)
    weights = tap_weights(fraction).astype(windows.real.dtype)
    length = windows.shape[axis] - (TAPS - 1)
    combined = np.zeros((), dtype=windows.dtype)
    for tap in range(TAPS):
        part = windows[:, tap : tap + length] if axis == 1 else windows[:, :, tap : tap + length]
        combined = combined + weights[:, tap, None, None] * part
    return combined


def _spread_taps(patches: Inexact, fraction: NDArray[np.float64], axis: int) -> Inexact:
    """Adjoint of `_combine_taps`: along `axis`, which grows by TAPS - 1."""
    weights = tap_weights(fraction).astype(patches.real.dtype)
    shape = list(patches.shape)
    length = shape[axis]
    shape[axis] += TAPS - 1
    spread = np.zeros(shape, dtype=patches.dtype)
    taps = range(TAPS) if fraction.any() else range(BEFORE, BEFORE + 1)
    for tap in taps:
        part = spread[:, tap : tap + length] if axis == 1 else spread[:, :, tap : tap + length]
        part += weights[:, tap, None, None] * patches
    return spread
