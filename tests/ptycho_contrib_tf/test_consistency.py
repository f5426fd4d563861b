"""The group merger against that of the Torch engine, whose own tests say what merging must do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ptycho_contrib_tf.consistency import GroupMerger, relative_phases
from ptycho_contrib_tf.library import tf
from ptycho_contrib_tf.physics import diffraction_amplitude
from ptycho_host.physics.patches import extract_patches
from ptycho_torch.consistency import GroupMerger as TorchMerger
from ptycho_torch.consistency import relative_phases as torch_phases

GROUPS = np.arange(24).reshape(6, 4)
REACH = 9.0


def disc_probe(pixels: int) -> np.ndarray:
    y, x = np.mgrid[:pixels, :pixels] - pixels / 2 + 0.5
    radius = np.hypot(y, x)
    # Off the centre, so that the margins of the lit box differ from each other.
    lit = np.roll(radius <= 9, (2, -1), axis=(0, 1))
    return (lit * np.exp(0.02j * radius**2)).astype(np.complex64)


def group_positions(fractional: bool) -> np.ndarray:
    rng = np.random.default_rng(0)
    cell = np.array([[0, 0], [0, 7], [7, 0], [7, 7]])
    positions = (rng.uniform(40, 60, size=(6, 1, 2)) + cell + rng.uniform(-1, 1, size=(6, 4, 2))).reshape(-1, 2)
    return positions if fractional else np.round(positions)


def some_patches(pixels: int, positions: np.ndarray) -> np.ndarray:
    """Patches (6, 4, N, N) of one object, each with its own constant phase and some noise."""
    rng = np.random.default_rng(1)
    obj = np.exp(1j * rng.normal(size=(112, 112))).astype(np.complex64)
    patches = extract_patches(obj, positions, pixels).reshape(6, 4, pixels, pixels)
    noise = rng.normal(size=(*patches.shape, 2)) @ [1, 1j]
    return (patches * np.exp(2j * np.pi * rng.random((6, 4, 1, 1))) + 0.2 * noise).astype(np.complex64)


# Both add up float32 numbers of order one, in other orders.
TOLERANCE = 3e-5


@pytest.mark.parametrize("pixels", [32, 64])
@pytest.mark.parametrize("fractional", [False, True])
def test_merged_patches_and_gradients_are_those_of_torch(pixels: int, fractional: bool) -> None:
    positions, probe = group_positions(fractional), disc_probe(pixels)
    patches = some_patches(pixels, positions)
    merger = GroupMerger(probe, positions, REACH)
    leaf, twin = tf.constant(patches), torch.from_numpy(patches).requires_grad_()
    with tf.GradientTape() as tape:
        tape.watch(leaf)
        merged = merger(leaf, tf.constant(merger.coordinates(GROUPS)))
        total = tf.reduce_sum(tf.abs(merged) ** 3)
    expected = TorchMerger(torch.from_numpy(probe), positions, REACH)(twin, GROUPS)
    expected.abs().pow(3).sum().backward()
    np.testing.assert_allclose(merged, expected.detach(), atol=TOLERANCE)
    assert twin.grad is not None
    np.testing.assert_allclose(tape.gradient(total, leaf), twin.grad, atol=10 * TOLERANCE)


def test_compiled_merging_is_the_same() -> None:
    positions = group_positions(fractional=True)
    merger = GroupMerger(disc_probe(32), positions, REACH)
    patches, coordinates = tf.constant(some_patches(32, positions)), tf.constant(merger.coordinates(GROUPS))
    compiled = tf.function(merger.__call__, jit_compile=True, autograph=False)(patches, coordinates)
    np.testing.assert_allclose(compiled, merger(patches, coordinates), atol=TOLERANCE)


def test_exact_patches_stay_what_they_are() -> None:
    positions, probe = group_positions(fractional=False), disc_probe(32)
    rng = np.random.default_rng(1)
    obj = np.exp(1j * rng.normal(size=(112, 112))).astype(np.complex64)
    exact = extract_patches(obj, positions, 32).reshape(6, 4, 32, 32)
    turned = (exact * np.exp(2j * np.pi * rng.random((6, 4, 1, 1)))).astype(np.complex64)
    merger = GroupMerger(probe, positions, REACH)
    merged = merger(tf.constant(turned), tf.constant(merger.coordinates(GROUPS)))
    np.testing.assert_allclose(
        diffraction_amplitude(merged, probe), diffraction_amplitude(tf.constant(exact), probe), atol=TOLERANCE
    )


def test_patches_and_positions_that_do_not_belong_together_are_refused() -> None:
    """Never a broadcast: a group too few, a member too few, and one set of positions for all groups."""
    positions = group_positions(fractional=False)
    merger = GroupMerger(disc_probe(32), positions, REACH)
    patches = tf.constant(some_patches(32, positions))
    coordinates = tf.constant(merger.coordinates(GROUPS))
    for wrong in (coordinates[:5], coordinates[:, :3], coordinates[:1], coordinates[:, :1], coordinates[0]):
        with pytest.raises(ValueError, match="same groups"):
            merger(patches, wrong)
        with pytest.raises(ValueError, match="same groups"):
            tf.function(merger.__call__, autograph=False)(patches, wrong)


def test_relative_phases_are_those_of_torch() -> None:
    rng = np.random.default_rng(0)
    placed = (rng.normal(size=(3, 4, 8, 8, 2)) @ [1, 1j]).astype(np.complex64)
    # V's leading eigenvalues are close for unrelated patches, so rounding is amplified.
    np.testing.assert_allclose(relative_phases(tf.constant(placed)), torch_phases(torch.from_numpy(placed)), atol=1e-4)
