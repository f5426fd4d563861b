"""Photon counts: the dose of a scan and the noise of counting."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def probe_for_dose(
    probe: NDArray[np.complexfloating[Any, Any]], transmitted_fraction: float, photons: float
) -> NDArray[np.complex64]:
    """The probe (N, N), scaled so that a pattern holds `photons` counts on average, complex64.

    `transmitted_fraction` is mean over patterns of sum |P O|^2 / sum |P|^2, which does not depend on the scale of P.
    """
    energy = float(np.sum(np.abs(probe.astype(np.complex128)) ** 2))
    scaled = probe * np.sqrt(photons / (transmitted_fraction * energy))
    return np.asarray(scaled, dtype=np.complex64)


def count_photons(expected_amplitude: NDArray[np.floating[Any]], rng: np.random.Generator) -> NDArray[np.float32]:
    """Measured amplitudes sqrt(Poisson(A^2)) of expected amplitudes A (…, N, N), float32.

    A is the square root of the expected photon counts a pixel; every draw comes from `rng`.
    """
    counts = rng.poisson(np.square(expected_amplitude, dtype=np.float64))
    return np.asarray(np.sqrt(counts), dtype=np.float32)
