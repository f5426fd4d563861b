"""The TensorFlow physics against the NumPy reference and the Torch engine, and its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ptycho_contrib_tf import physics
from ptycho_contrib_tf.library import tf
from ptycho_host.physics import backprojection
from ptycho_host.physics import far_field as reference
from ptycho_torch import physics as torch_physics

# An orthonormal FFT of N pixels a side loses about log2(N^2) units in the last place; a decade is left for the rest.
TOLERANCE = {np.complex64: 2e-5, np.complex128: 1e-12}
PRECISIONS = pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
SIZES = pytest.mark.parametrize("pixels", [16, 15, 32, 64])


def waves(dtype: Any, pixels: int, count: int = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, pixels, pixels)) + 1j * rng.normal(size=(count, pixels, pixels))).astype(dtype)


@PRECISIONS
@SIZES
def test_far_field_is_the_reference(dtype: Any, pixels: int) -> None:
    wave = waves(dtype, pixels)
    detector = physics.far_field(tf.constant(wave)).numpy()
    np.testing.assert_allclose(detector, reference.far_field(wave), atol=TOLERANCE[dtype])
    np.testing.assert_allclose(detector, torch_physics.far_field(torch.from_numpy(wave)), atol=TOLERANCE[dtype])
    assert detector.dtype == dtype


@PRECISIONS
@SIZES
def test_inverse_undoes_far_field(dtype: Any, pixels: int) -> None:
    wave = tf.constant(waves(dtype, pixels))
    np.testing.assert_allclose(physics.inverse_far_field(physics.far_field(wave)), wave, atol=TOLERANCE[dtype])


@PRECISIONS
@SIZES
def test_diffraction_amplitude_and_its_gradient_are_those_of_torch(dtype: Any, pixels: int) -> None:
    patches, probe = waves(dtype, pixels), waves(dtype, pixels, seed=1)[0]
    variable = tf.constant(patches)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        amplitude = physics.diffraction_amplitude(variable, tf.constant(probe))
        total = tf.reduce_sum(amplitude**3)
    np.testing.assert_allclose(amplitude, reference.diffraction_amplitude(patches, probe), atol=TOLERANCE[dtype])

    leaf = torch.from_numpy(patches).requires_grad_()
    torch_physics.diffraction_amplitude(leaf, torch.from_numpy(probe)).pow(3).sum().backward()
    assert leaf.grad is not None
    scale = float(leaf.grad.abs().max())
    np.testing.assert_allclose(tape.gradient(total, variable) / scale, leaf.grad / scale, atol=TOLERANCE[dtype])


@PRECISIONS
@SIZES
def test_back_projection_is_the_reference(dtype: Any, pixels: int) -> None:
    probe = waves(dtype, pixels, seed=1)[0]
    amplitude = np.abs(waves(dtype, pixels, seed=2))
    amplitude[1] = 0
    found = physics.back_projection(tf.constant(amplitude), tf.constant(probe)).numpy()
    np.testing.assert_allclose(found, backprojection.back_projection(amplitude, probe), atol=TOLERANCE[dtype])
    twin = torch_physics.back_projection(torch.from_numpy(amplitude), torch.from_numpy(probe))
    np.testing.assert_allclose(found, twin, atol=TOLERANCE[dtype])
    assert found.dtype == dtype


def test_gradient_at_a_dark_pixel_is_finite() -> None:
    patches = tf.zeros((1, 8, 8), tf.complex64)
    with tf.GradientTape() as tape:
        tape.watch(patches)
        total = tf.reduce_sum(physics.diffraction_amplitude(patches, tf.ones((8, 8), tf.complex64)))
    assert np.isfinite(tape.gradient(total, patches).numpy()).all()


def test_compiled_physics_is_the_same() -> None:
    """XLA has its own Fourier transform."""
    probe = waves(np.complex64, 32, seed=1)[0]
    amplitude = np.abs(waves(np.complex64, 32, seed=2))

    def there_and_back(measured: tf.Tensor) -> tf.Tensor:
        return physics.diffraction_amplitude(physics.back_projection(measured, tf.constant(probe)), tf.constant(probe))

    compiled = tf.function(there_and_back, jit_compile=True, autograph=False)(tf.constant(amplitude))
    np.testing.assert_allclose(compiled, there_and_back(tf.constant(amplitude)), atol=2e-5)
