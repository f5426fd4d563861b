"""The reference physics of `ptycho_host.physics` for torch tensors, differentiable.

The zero frequency stands in the centre of the detector, [N//2, N//2]. Moving it there costs a copy of every wave;
multiplying the probe once by a linear phase does the same: F[w](k - c) = F[w exp(2 pi i c n / N)](k).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ptycho_host.physics.updates import DARK

AXES = (-2, -1)


def far_field(exit_wave: Tensor) -> Tensor:
    """Detector wave (…, N, N) of an exit wave (…, N, N): orthonormal FFT, zero frequency moved to [N//2, N//2]."""
    wave: Tensor = torch.fft.fftshift(torch.fft.fft2(exit_wave, norm="ortho"), dim=AXES)
    return wave


def inverse_far_field(detector_wave: Tensor) -> Tensor:
    """Exit wave (…, N, N) of a detector wave (…, N, N): the inverse of `far_field`."""
    wave: Tensor = torch.fft.ifft2(torch.fft.ifftshift(detector_wave, dim=AXES), norm="ortho")
    return wave


def diffraction_amplitude(object_patches: Tensor, probe: Tensor) -> Tensor:
    """Amplitudes (…, N, N) = |far_field(P O)| of object patches (…, N, N) under the probe (N, N).

    The gradient at a dark pixel is zero, not undefined.
    """
    amplitude: Tensor = torch.fft.fft2(object_patches * _centring(probe), norm="ortho").abs()
    return amplitude


def back_projection(amplitude: Tensor, probe: Tensor) -> Tensor:
    """Object patches (…, N, N) estimated from amplitudes (…, N, N) under the probe (N, N).

    The formula stands in `ptycho_host.physics.backprojection`.
    """
    centring_probe = _centring(probe)
    intensity = probe.abs().square()
    uniform = (amplitude.square().sum(dim=AXES, keepdim=True) / intensity.sum()).sqrt()
    probe_phase = torch.fft.fft2(centring_probe, norm="ortho").angle()
    exit_wave = torch.fft.ifft2(torch.polar(amplitude, probe_phase.expand_as(amplitude)), norm="ortho")
    # The exit wave still carries the centring phase; so does the probe that it is multiplied with.
    update = centring_probe.conj() * exit_wave - uniform * intensity
    patches: Tensor = uniform + update / intensity.max()
    return patches


def projection_update(
    object_patches: Tensor, amplitude: Tensor, probe: Tensor, bad_pixels: Tensor | None = None
) -> Tensor:
    """What measured amplitudes (…, N, N) ask to be added to object patches (…, N, N).

    The formula stands in `ptycho_host.physics.updates`. At `bad_pixels` (N, N) the wave is kept as it is.
    """
    centring_probe = _centring(probe)
    wave = torch.fft.fft2(object_patches * centring_probe, norm="ortho")
    # The modulus of complex numbers takes several times as long as the squares of their parts.
    intensity = wave.real.square() + wave.imag.square()
    missing = amplitude * (intensity + DARK).rsqrt() - 1
    if bad_pixels is not None:
        missing = missing.masked_fill(bad_pixels, 0.0)
    difference = torch.fft.ifft2(wave * missing, norm="ortho")
    update: Tensor = centring_probe.conj() * difference / probe.abs().square().max()
    return update


def _centring(probe: Tensor) -> Tensor:
    """The probe (N, N) with the linear phase that moves the zero frequency of its exit waves to the centre."""
    pixels = probe.shape[-1]
    # Whole turns are taken out before the division: for even N the factors are exactly +1 and -1.
    turns = (torch.arange(pixels, device=probe.device) * (pixels // 2) % pixels).double() / pixels
    ramp = torch.polar(torch.ones_like(turns), 2 * math.pi * turns).to(probe.dtype)
    return probe * ramp[:, None] * ramp
