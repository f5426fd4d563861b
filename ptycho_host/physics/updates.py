"""What measured amplitudes ask of object patches that do not explain them yet."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.physics.far_field import far_field, inverse_far_field

DARK = 1e-6
"""Intensity in model units below which a pixel's phase fades out: a thousandth of the mean amplitude."""


def projection_update(
    object_patches: NDArray[np.complexfloating[Any, Any]],
    amplitude: NDArray[np.floating[Any]],
    probe: NDArray[np.complexfloating[Any, Any]],
    bad_pixels: NDArray[np.bool_] | None = None,
) -> NDArray[np.complexfloating[Any, Any]]:
    """What must be added to patches (…, N, N), in model units, for their waves to come near amplitudes (…, N, N).

    P* F^-1[(A / |W| - 1) W] / max |P|^2 with W = F[P O]: the ePIE object update (Maiden and Rodenburg, Ultramicroscopy
    109 (2009), eq. 6, step 1). |W| is taken as sqrt(|W|^2 + DARK), which can be differentiated everywhere; at
    `bad_pixels` (N, N) the wave is kept.
    """
    wave = far_field(probe * object_patches)
    missing = amplitude / np.sqrt(np.abs(wave) ** 2 + DARK) - 1
    if bad_pixels is not None:
        missing = np.where(bad_pixels, 0, missing)
    return np.asarray(np.conj(probe) * inverse_far_field(wave * missing) / np.max(np.abs(probe) ** 2))
