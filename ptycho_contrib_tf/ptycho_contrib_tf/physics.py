"""The reference physics of `ptycho_host.physics` for TensorFlow tensors, differentiable and compiled by XLA.

The zero frequency stands in the centre of the detector, [N//2, N//2]. Moving it there costs a copy of every wave;
multiplying the probe once by a linear phase does the same: F[w](k - c) = F[w exp(2 pi i c n / N)](k).
"""

from __future__ import annotations

import numpy as np

from ptycho_contrib_tf.library import tf

AXES = (-2, -1)


def far_field(exit_wave: tf.Tensor) -> tf.Tensor:
    """Detector wave (…, N, N) of an exit wave (…, N, N): orthonormal FFT, zero frequency moved to [N//2, N//2]."""
    return tf.signal.fftshift(_orthonormal_fft(exit_wave), axes=AXES)


def inverse_far_field(detector_wave: tf.Tensor) -> tf.Tensor:
    """Exit wave (…, N, N) of a detector wave (…, N, N): the inverse of `far_field`."""
    return _orthonormal_inverse_fft(tf.signal.ifftshift(detector_wave, axes=AXES))


def diffraction_amplitude(object_patches: tf.Tensor, probe: tf.Tensor) -> tf.Tensor:
    """Amplitudes (…, N, N) = |far_field(P O)| of object patches (…, N, N) under the probe (N, N).

    The gradient at a dark pixel is zero, not undefined.
    """
    return tf.abs(_orthonormal_fft(object_patches * _centring(probe)))


def back_projection(amplitude: tf.Tensor, probe: tf.Tensor) -> tf.Tensor:
    """Object patches (…, N, N) estimated from amplitudes (…, N, N) under the probe (N, N).

    The formula stands in `ptycho_host.physics.backprojection`.
    """
    centring_probe = _centring(probe)
    intensity = squared_modulus(probe)
    uniform = tf.sqrt(tf.reduce_sum(amplitude**2, axis=AXES, keepdims=True) / tf.reduce_sum(intensity))
    detector_wave = as_complex(amplitude) * unit(_orthonormal_fft(centring_probe))
    # The exit wave still carries the centring phase; so does the probe that it is multiplied with.
    update = tf.math.conj(centring_probe) * _orthonormal_inverse_fft(detector_wave) - as_complex(uniform * intensity)
    return as_complex(uniform) + update / as_complex(tf.reduce_max(intensity))


def squared_modulus(values: tf.Tensor) -> tf.Tensor:
    """|z|^2, real."""
    return tf.math.real(values) ** 2 + tf.math.imag(values) ** 2


def unit(values: tf.Tensor) -> tf.Tensor:
    """Z / |z|, and 1 where z is zero."""
    angle = tf.math.angle(values)
    return tf.complex(tf.cos(angle), tf.sin(angle))


def as_complex(values: tf.Tensor) -> tf.Tensor:
    """Real values as complex ones of the same precision."""
    return tf.complex(values, tf.zeros_like(values))


def _orthonormal_fft(wave: tf.Tensor) -> tf.Tensor:
    return tf.signal.fft2d(wave) / wave.shape[-1]


def _orthonormal_inverse_fft(wave: tf.Tensor) -> tf.Tensor:
    return tf.signal.ifft2d(wave) * wave.shape[-1]


def _centring(probe: tf.Tensor) -> tf.Tensor:
    """The probe (N, N) with the linear phase that moves the zero frequency of its exit waves to the centre."""
    pixels = probe.shape[-1]
    # Whole turns are taken out before the division: for even N the factors are exactly +1 and -1.
    turns = np.arange(pixels) * (pixels // 2) % pixels / pixels
    ramp = np.exp(2j * np.pi * turns)
    return probe * tf.constant(np.outer(ramp, ramp), dtype=probe.dtype)
