"""Propagation from the sample to the detector in the far field."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

ComplexStack = NDArray[np.complexfloating[Any, Any]]
RealStack = NDArray[np.floating[Any]]


def far_field(exit_wave: ComplexStack) -> ComplexStack:
    """Detector wave (…, N, N) of an exit wave (…, N, N): orthonormal FFT, zero frequency moved to [N//2, N//2].

    Keeps energy: sum |far_field(w)|^2 = sum |w|^2. Fraunhofer diffraction (Goodman, Introduction to Fourier
    Optics, eq. 4-25) without its constant phase factors.
    """
    wave: ComplexStack = fft.fftshift(fft.fft2(exit_wave, norm="ortho"), axes=(-2, -1))
    return wave


def inverse_far_field(detector_wave: ComplexStack) -> ComplexStack:
    """Exit wave (…, N, N) of a detector wave (…, N, N): the inverse of `far_field`."""
    wave: ComplexStack = fft.ifft2(fft.ifftshift(detector_wave, axes=(-2, -1)), norm="ortho")
    return wave


def diffraction_amplitude(object_patches: ComplexStack, probe: ComplexStack) -> RealStack:
    """Amplitudes (…, N, N) = |far_field(P O)| of object patches (…, N, N) under the probe (N, N)."""
    amplitude: RealStack = np.abs(far_field(object_patches * probe))
    return amplitude
