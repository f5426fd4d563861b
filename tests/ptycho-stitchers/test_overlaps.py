"""Pairs of patches and their inner products, against a direct computation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ptycho_host.contracts import DeviceBatch, PatchBatch
from ptycho_host.physics.patches import place_patches
from ptycho_stitchers import tensor_ring
from ptycho_stitchers.neighbours import neighbouring_pairs
from ptycho_stitchers.overlap_plan import OverlapPlan
from ptycho_stitchers.overlaps import OverlapAccumulator
from ptycho_stitchers.window import Window

RNG = np.random.default_rng(0)


def left_by_torch(patches, positions):
    return DeviceBatch(torch.from_numpy(patches), positions, lambda tensor: tensor.numpy())


@pytest.mark.parametrize("batch_of", [PatchBatch, left_by_torch])
@pytest.mark.parametrize("whole", [True, False])
def test_overlaps_equal_the_inner_products_on_the_canvas(whole, batch_of, monkeypatch):
    monkeypatch.setattr(tensor_ring, "BLOCK", 16)
    monkeypatch.setattr(tensor_ring, "AT_ONCE", 1000)
    pixels, count = 12, 90
    positions = np.sort(RNG.uniform(10, 40, (count, 2)), axis=0)
    positions = np.round(positions) if whole else positions
    weight = np.zeros((pixels, pixels), np.float32)
    weight[2:9, 3:11] = RNG.uniform(0.1, 1, (7, 8))
    patches = (RNG.standard_normal((count, pixels, pixels, 2)) @ [1, 1j]).astype(np.complex64)
    pairs = neighbouring_pairs(positions, 10, 8)
    plan = OverlapPlan.of(Window.around(weight), positions, pairs)
    accumulator = OverlapAccumulator(plan)
    for first in range(0, count, 40):
        part = slice(first, first + 40)
        accumulator.add(batch_of(patches[part], positions[part]))
    found = accumulator.found(slice(0, count))

    canvases = np.zeros((count, 50, 50), complex)
    for canvas, patch, position in zip(canvases, patches, positions, strict=True):
        place_patches(canvas, (patch * weight / weight.max())[None].astype(complex), position[None])
    earlier, later = plan.pairs.T
    expected = np.einsum("pij,pij->p", canvases[earlier].conj(), canvases[later])
    np.testing.assert_allclose(found.values, expected, atol=1e-4)
    np.testing.assert_allclose(found.norms, np.sum(np.abs(canvases) ** 2, axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(found.sums, canvases.sum(axis=(1, 2)), atol=1e-4)
    assert len(earlier) > 2 * count


def test_pairs_are_the_nearest_within_reach():
    positions = RNG.uniform(0, 100, (200, 2))
    distance = np.linalg.norm(positions[:, None] - positions, axis=-1)
    pairs = {tuple(pair) for pair in neighbouring_pairs(positions, 15, 4)}
    assert all(k < m and distance[k, m] <= 15 for k, m in pairs)
    for k in range(200):
        for m in np.argsort(distance[k])[1:5]:
            assert ((min(k, m), max(k, m)) in pairs) == (distance[k, m] <= 15)


def test_pairs_come_sorted_by_their_later_patch():
    pairs = neighbouring_pairs(RNG.uniform(0, 100, (200, 2)), 15, 4)
    assert np.all(np.diff(pairs[:, 1] * 200 + pairs[:, 0]) > 0)


def test_the_lines_of_a_fly_scan_hang_together():
    positions = np.stack(np.meshgrid(np.arange(0, 60, 12.0), np.arange(100.0), indexing="ij"), -1).reshape(-1, 2)
    positions += RNG.uniform(-0.2, 0.2, positions.shape)
    pairs = neighbouring_pairs(positions, 16, 12)
    graph = sparse.coo_array((np.ones(len(pairs)), pairs.T), shape=(500, 500))
    assert connected_components(graph, directed=False)[0] == 1


@pytest.mark.parametrize("count", [0, 1])
def test_there_is_no_pair_of_less_than_two(count):
    assert neighbouring_pairs(np.zeros((count, 2)), 10, 3).shape == (0, 2)


def test_positions_on_one_line_or_on_one_point_have_neighbours():
    line = np.stack([np.arange(10.0), np.zeros(10)], axis=1)
    assert {(k, k + 1) for k in range(9)} <= {tuple(pair) for pair in neighbouring_pairs(line, 3, 2)}
    assert len(neighbouring_pairs(np.zeros((3, 2)), 3, 2)) == 3


def test_the_window_is_the_square_around_what_matters():
    weight = np.zeros((20, 20), np.float32)
    weight[15:19, 3:11] = 4
    weight[0, 0] = 1e-3
    window = Window.around(weight)
    assert (window.first, window.side) == ((12, 3), 8)
    assert window.weight.max() == 1
    patch = np.arange(400, dtype=np.complex64).reshape(1, 20, 20)
    np.testing.assert_array_equal(window.cut(patch)[0, 3:7], patch[0, 15:19, 3:11])
    # The window's first pixel lies at 30 - 20 / 2 + 12, which is 36 - 8 / 2.
    np.testing.assert_array_equal(window.positions(np.array([[30.0, 30.0]])), [[36.0, 27.0]])
