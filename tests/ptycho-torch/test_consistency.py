"""Merging the patches of a group: what is consistent stays, what is not is mended."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from ptycho_host.physics.patches import extract_patches
from ptycho_torch.consistency import GroupMerger, relative_phases
from ptycho_torch.physics import diffraction_amplitude

PIXELS = 32
GROUPS = np.arange(24).reshape(6, 4)


def smooth_object(side: int = 96, sigma: float = 3.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    phase, modulus = (gaussian_filter(rng.normal(size=(side, side)), sigma) * sigma for _ in range(2))
    return ((1 + modulus) * np.exp(2j * phase)).astype(np.complex64)


def disc_probe(diameter: float = 18.0) -> torch.Tensor:
    y, x = np.mgrid[:PIXELS, :PIXELS] - PIXELS / 2 + 0.5
    radius = np.hypot(y, x)
    return torch.from_numpy(((radius <= diameter / 2) * np.exp(0.02j * radius**2)).astype(np.complex64))


def group_positions(fractional: bool, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    cell = np.array([[0, 0], [0, 7], [7, 0], [7, 7]])
    positions = (rng.uniform(30, 60, size=(6, 1, 2)) + cell + rng.uniform(-1, 1, size=(6, 4, 2))).reshape(-1, 2)
    return positions if fractional else np.round(positions)


def true_patches(positions: np.ndarray, seed: int = 1) -> torch.Tensor:
    """Exact patches (6, 4, N, N), each with a random constant phase."""
    patches = torch.from_numpy(extract_patches(smooth_object(), positions, PIXELS)).view(6, 4, PIXELS, PIXELS)
    turn = torch.rand(6, 4, 1, 1, generator=torch.Generator().manual_seed(seed)) * 2 * np.pi
    return patches * torch.polar(torch.ones_like(turn), turn)


def lit_error(found: torch.Tensor, expected: torch.Tensor, probe: torch.Tensor) -> float:
    return float(((found - expected) * probe).norm() / (expected * probe).norm())


# float32 sums; between whole pixels the object is interpolated to the canvas and back, and it varies over 3 pixels.
@pytest.mark.parametrize(("fractional", "tolerance"), [(False, 3e-6), (True, 5e-3)])
def test_exact_patches_stay_what_they_are(fractional: bool, tolerance: float) -> None:
    positions, probe = group_positions(fractional), disc_probe()
    patches = true_patches(positions)
    merged = GroupMerger(probe, positions, reach=9.0)(patches, GROUPS)
    assert merged.shape == patches.shape
    assert lit_error(merged, patches, probe) < tolerance
    predicted, measured = diffraction_amplitude(merged, probe), diffraction_amplitude(patches, probe)
    assert float((predicted - measured).abs().mean() / measured.mean()) < tolerance


def test_unlit_pixels_stay_what_they_are() -> None:
    positions, probe = group_positions(fractional=False), disc_probe()
    patches = torch.randn(6, 4, PIXELS, PIXELS, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    merged = GroupMerger(probe, positions, reach=9.0)(patches, GROUPS)
    outside = slice(0, 6)
    torch.testing.assert_close(merged[..., outside, :], patches[..., outside, :], rtol=0, atol=0)


def test_inconsistent_patches_come_nearer_to_the_truth() -> None:
    """Independent errors average out: where all four patches overlap, to a half."""
    positions, probe = group_positions(fractional=False), disc_probe()
    exact = true_patches(positions)
    error = 0.2 * torch.randn(exact.shape, dtype=exact.dtype, generator=torch.Generator().manual_seed(2))
    merged = GroupMerger(probe, positions, reach=9.0)(exact + error, GROUPS)
    before, after = lit_error(exact + error, exact, probe), lit_error(merged, exact, probe)
    assert after < 0.8 * before


def test_merging_twice_changes_nothing_more() -> None:
    positions, probe = group_positions(fractional=False), disc_probe()
    patches = true_patches(positions) + 0.2 * torch.randn(
        6, 4, PIXELS, PIXELS, dtype=torch.complex64, generator=torch.Generator().manual_seed(2)
    )
    merger = GroupMerger(probe, positions, reach=9.0)
    once = merger(patches, GROUPS)
    assert lit_error(merger(once, GROUPS), once, probe) < 1e-5


def test_a_slow_phase_error_of_one_pattern_is_seen_by_its_group() -> None:
    """A phase ramp moves a diffraction pattern; merging leaves a ramp that only some patches carry unexplained."""
    positions, probe = group_positions(fractional=False), disc_probe()
    exact = true_patches(positions)
    ramp = torch.polar(torch.ones(PIXELS), 0.05 * torch.arange(PIXELS))
    bent = exact.clone()
    bent[:, 0] *= ramp
    merger = GroupMerger(probe, positions, reach=9.0)
    measured = diffraction_amplitude(exact, probe)
    residual = (diffraction_amplitude(merger(bent, GROUPS), probe) - measured).abs().mean(dim=(0, 2, 3))
    assert residual[1:].min() > 1e-3, "the others' patterns suffer from what the first gets wrong"


def test_gradient_reaches_every_lit_pixel_of_every_patch() -> None:
    positions, probe = group_positions(fractional=True), disc_probe()
    patches = (true_patches(positions) * 0.9 + 0.1).requires_grad_()
    merged = GroupMerger(probe, positions, reach=9.0)(patches, GROUPS)
    diffraction_amplitude(merged, probe).square().mean().backward()
    assert patches.grad is not None
    assert torch.isfinite(torch.view_as_real(patches.grad)).all()
    assert (patches.grad[..., probe.abs() > 0].abs() > 0).all()


def test_a_member_beyond_all_others_keeps_its_patch() -> None:
    positions = np.array([[20.0, 20.0], [27, 20], [20, 27], [60, 60]])
    probe = disc_probe()
    patches = torch.from_numpy(extract_patches(smooth_object(), positions, PIXELS))[None]
    patches = patches + 0.1 * torch.randn(
        patches.shape, dtype=patches.dtype, generator=torch.Generator().manual_seed(0)
    )
    merged = GroupMerger(probe, positions, reach=40.0)(patches, np.arange(4)[None])
    assert lit_error(merged[0, 3], patches[0, 3], probe) < 1e-5
    assert lit_error(merged[0, 0], patches[0, 0], probe) > 1e-2


def test_relative_phases_are_those_that_were_put_in() -> None:
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(3, 1, 8, 8, dtype=torch.complex64, generator=generator)
    angle = torch.rand(3, 4, generator=generator) * 6
    given = torch.polar(torch.ones_like(angle), angle)
    found = relative_phases(common * given[..., None, None])
    # Only differences are defined.
    torch.testing.assert_close(found * found[:, :1].conj(), given * given[:, :1].conj(), atol=1e-5, rtol=0)
