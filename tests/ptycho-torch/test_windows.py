"""Patches on torch canvases against the NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from ptycho_host.physics.patches import extract_patches, place_patches
from ptycho_torch.windows import Windows

CPU = torch.device("cpu")
WHOLE = np.array([[[20.0, 21.0], [24.0, 30.0], [31.0, 22.0]], [[50.0, 41.0], [51.0, 45.0], [48.0, 41.0]]])
POSITIONS = {"whole": WHOLE, "between": WHOLE + np.random.default_rng(0).uniform(-0.5, 0.5, WHOLE.shape)}
scans = pytest.mark.parametrize("positions", POSITIONS.values(), ids=POSITIONS.keys())


def waves(*shape: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


@scans
def test_patches_are_cut_as_by_the_reference(positions: np.ndarray) -> None:
    windows = Windows(positions, 16, CPU)
    obj = waves(80, 80).astype(np.complex64)
    height, width = windows.shape
    canvases = np.stack([obj[y : y + height, x : x + width] for y, x in windows.origin])
    found = windows.cut(torch.from_numpy(canvases))
    for region, places in zip(found, positions, strict=True):
        np.testing.assert_allclose(region, extract_patches(obj, places, 16), atol=2e-6)
    np.testing.assert_array_equal(windows.cut(torch.from_numpy(canvases), slice(1, 3)), found[:, 1:])


@scans
def test_patches_are_merged_as_by_the_reference(positions: np.ndarray) -> None:
    windows = Windows(positions, 16, CPU)
    patches = waves(2, 3, 16, 16, seed=1).astype(np.complex64)
    found = windows.merge(torch.from_numpy(patches))
    for region, (y, x), given, places in zip(found, windows.origin, patches, positions, strict=True):
        due = np.zeros((80, 80), dtype=np.complex64)
        place_patches(due, given, places)
        height, width = windows.shape
        np.testing.assert_allclose(region, due[y : y + height, x : x + width], atol=2e-6)
    parts = [windows.merge(torch.from_numpy(patches[:, part]), part) for part in (slice(0, 1), slice(1, 3))]
    torch.testing.assert_close(parts[0] + parts[1], found)


@scans
def test_both_can_be_differentiated(positions: np.ndarray) -> None:
    windows = Windows(positions[:1], 4, CPU)
    canvas = torch.from_numpy(waves(1, *windows.shape)).requires_grad_()
    patches = torch.from_numpy(waves(1, 3, 4, 4)).requires_grad_()
    assert gradcheck(windows.cut, (canvas,))
    assert gradcheck(windows.merge, (patches,))
