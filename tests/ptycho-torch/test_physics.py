"""The Torch physics against the NumPy reference, and its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from ptycho_host.physics import backprojection, updates
from ptycho_host.physics import far_field as reference
from ptycho_torch import physics

# An orthonormal FFT of N pixels a side loses about log2(N^2) units in the last place; a decade is left for the rest.
TOLERANCE = {np.complex64: 2e-5, np.complex128: 1e-12}
PRECISIONS = pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
SIZES = pytest.mark.parametrize("pixels", [16, 15, 64])


def waves(dtype: Any, pixels: int, count: int = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, pixels, pixels)) + 1j * rng.normal(size=(count, pixels, pixels))).astype(dtype)


@PRECISIONS
@SIZES
def test_far_field_is_the_reference(dtype: Any, pixels: int) -> None:
    wave = waves(dtype, pixels)
    detector = physics.far_field(torch.from_numpy(wave))
    np.testing.assert_allclose(detector.numpy(), reference.far_field(wave), atol=TOLERANCE[dtype])
    assert detector.numpy().dtype == dtype


@PRECISIONS
@SIZES
def test_inverse_undoes_far_field(dtype: Any, pixels: int) -> None:
    wave = torch.from_numpy(waves(dtype, pixels))
    np.testing.assert_allclose(physics.inverse_far_field(physics.far_field(wave)), wave, atol=TOLERANCE[dtype])


@PRECISIONS
@SIZES
def test_diffraction_amplitude_is_the_reference(dtype: Any, pixels: int) -> None:
    patches, probe = waves(dtype, pixels), waves(dtype, pixels, seed=1)[0]
    amplitude = physics.diffraction_amplitude(torch.from_numpy(patches), torch.from_numpy(probe))
    np.testing.assert_allclose(amplitude, reference.diffraction_amplitude(patches, probe), atol=TOLERANCE[dtype])


@PRECISIONS
@SIZES
def test_back_projection_is_the_reference(dtype: Any, pixels: int) -> None:
    probe = waves(dtype, pixels, seed=1)[0]
    amplitude = np.abs(waves(dtype, pixels, seed=2))
    amplitude[1] = 0
    found = physics.back_projection(torch.from_numpy(amplitude), torch.from_numpy(probe))
    np.testing.assert_allclose(found, backprojection.back_projection(amplitude, probe), atol=TOLERANCE[dtype])
    assert found.numpy().dtype == dtype


def test_back_projection_of_patterns_behind_a_uniform_object_is_that_object() -> None:
    probe = torch.from_numpy(waves(np.complex128, 16)[0])
    amplitude = physics.diffraction_amplitude(torch.full((2, 16, 16), 0.7 + 0j, dtype=torch.complex128), probe)
    np.testing.assert_allclose(physics.back_projection(amplitude, probe), 0.7, atol=1e-12)


def test_gradient_of_the_amplitude_agrees_with_finite_differences() -> None:
    patches = torch.from_numpy(waves(np.complex128, 6, count=2)).requires_grad_()
    probe = torch.from_numpy(waves(np.complex128, 6, seed=1)[0]).requires_grad_()
    assert gradcheck(physics.diffraction_amplitude, (patches, probe))


def test_gradient_at_a_dark_pixel_is_finite() -> None:
    patches = torch.zeros(1, 8, 8, dtype=torch.complex64, requires_grad=True)
    physics.diffraction_amplitude(patches, torch.ones(8, 8, dtype=torch.complex64)).sum().backward()
    assert patches.grad is not None
    assert torch.isfinite(torch.view_as_real(patches.grad)).all()


@PRECISIONS
@SIZES
def test_projection_update_is_the_reference(dtype: Any, pixels: int) -> None:
    patches, probe = waves(dtype, pixels), waves(dtype, pixels, seed=1)[0]
    amplitude = np.abs(waves(dtype, pixels, seed=2))
    amplitude[1] = 0
    bad = np.zeros((pixels, pixels), dtype=bool)
    bad[2:5, 3:9] = True
    for mask in (None, bad):
        found = physics.projection_update(
            torch.from_numpy(patches),
            torch.from_numpy(amplitude),
            torch.from_numpy(probe),
            None if mask is None else torch.from_numpy(mask),
        )
        due = updates.projection_update(patches, amplitude, probe, mask)
        np.testing.assert_allclose(found, due, atol=TOLERANCE[dtype])


def test_projection_updates_can_be_differentiated_also_at_dark_pixels() -> None:
    patches = torch.from_numpy(waves(np.complex128, 6, count=2)).requires_grad_()
    with torch.no_grad():
        patches[1] = 0
    amplitude = torch.from_numpy(np.abs(waves(np.complex128, 6, count=2, seed=2)))
    probe = torch.from_numpy(waves(np.complex128, 6, seed=1)[0])
    assert gradcheck(lambda values: physics.projection_update(values[:1], amplitude[:1], probe), (patches,))
    physics.projection_update(patches, amplitude, probe).abs().sum().backward()
    assert torch.isfinite(torch.view_as_real(patches.grad)).all()
