"""One known-probe update from a uniform object: what a single pattern says about its patch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.physics.far_field import far_field, inverse_far_field


def back_projection(
    amplitude: NDArray[np.floating[Any]], probe: NDArray[np.complexfloating[Any, Any]]
) -> NDArray[np.complexfloating[Any, Any]]:
    """Object patches (…, N, N) estimated from amplitudes (…, N, N) under the probe (N, N).

    c = sqrt(sum A^2 / sum |F P|^2), psi = F^-1[A exp(i arg F P)], O0 = c + P* (psi - c P) / max |P|^2: the ePIE
    object update (Maiden and Rodenburg, Ultramicroscopy 109 (2009), eq. 6, step 1) from the uniform object c that
    explains the pattern's energy. An empty pattern gives c = 0 and, where the probe is dark, O0 = 0.
    """
    detector_probe = far_field(probe)
    probe_energy = np.sum(np.abs(probe) ** 2)
    uniform = np.sqrt(np.sum(amplitude**2, axis=(-2, -1), keepdims=True) / probe_energy)
    exit_wave = inverse_far_field(amplitude * np.exp(1j * np.angle(detector_probe)))
    update = np.conj(probe) * (exit_wave - uniform * probe) / np.max(np.abs(probe) ** 2)
    return np.asarray(uniform + update)
