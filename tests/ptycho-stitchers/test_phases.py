"""Angular synchronisation: phases of patches from phases between pairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from scipy.sparse.csgraph import connected_components

from ptycho_stitchers.blocks import BLOCK, Blocks
from ptycho_stitchers.eigenvectors import spectral_phases
from ptycho_stitchers.likelihood import most_likely_phases
from ptycho_stitchers.neighbours import neighbouring_pairs
from ptycho_stitchers.phases import synchronised_phases

RNG = np.random.default_rng(0)


def overlap_matrix(side, noise=0.0):
    """Overlaps of a square raster and the phases (radians) of its patches."""
    positions = np.stack(np.indices((side, side)), axis=-1).reshape(-1, 2).astype(float)
    k, m = neighbouring_pairs(positions, 2.5, 12).T
    angles = RNG.uniform(-np.pi, np.pi, side**2)
    distance = np.linalg.norm(positions[k] - positions[m], axis=1)
    values = (3 - distance) * np.exp(1j * (angles[m] - angles[k] + noise * RNG.standard_normal(len(k))))
    upper = sparse.csr_array((values, (k, m)), shape=(side**2, side**2))
    return (upper + upper.conj().T).tocsr(), angles


def disagreement(factors, reference):
    """Largest angle (radians) between two sets of unit factors, apart from a common one."""
    ratio = factors * np.conj(reference)
    return np.abs(np.angle(ratio * np.conj(ratio.sum()))).max()


def error(factors, angles):
    """Root mean square angle (radians) that the factors leave."""
    left = factors * np.exp(1j * angles)
    return np.sqrt(np.mean(np.angle(left * np.conj(left.sum())) ** 2))


@pytest.mark.parametrize("side", [2, 5, 42])
def test_consistent_phases_are_found_exactly(side):
    overlaps, angles = overlap_matrix(side)
    factors, parts = synchronised_phases(overlaps)
    assert disagreement(factors, np.exp(-1j * angles)) < 1e-6
    np.testing.assert_allclose(np.abs(factors), 1)
    assert not parts.any()


def test_noisy_phases_are_those_of_an_independent_optimiser():
    overlaps, angles = overlap_matrix(20, noise=0.5)

    def disagreeing(turned):
        factors = np.exp(1j * turned)
        pull = factors.conj() * (overlaps @ factors)
        return -pull.sum().real, -2 * pull.imag

    best = minimize(disagreeing, -angles, jac=True, method="L-BFGS-B", options={"ftol": 1e-14, "maxiter": 5000})
    blocks = Blocks.of(overlaps)
    factors = most_likely_phases(overlaps, spectral_phases(overlaps, blocks), blocks)
    assert disagreement(factors, np.exp(1j * best.x)) < 5e-3
    # Each patch has a dozen noisy pairs, so the phases are much better than one pair.
    assert error(factors, angles) < 0.5 / 2


@pytest.mark.parametrize("side", [12, 50])
def test_patches_that_contradict_all_others_do_not_bend_them(side):
    overlaps, angles = overlap_matrix(side, noise=0.2)
    wrong = RNG.random(side**2) < 0.2
    pairs = sparse.triu(overlaps, 1).tocoo()
    hit = wrong[pairs.row] | wrong[pairs.col]
    pairs.data[hit] *= np.exp(1j * RNG.uniform(-np.pi, np.pi, np.count_nonzero(hit)))
    upper = sparse.csr_array(pairs)
    factors, _ = synchronised_phases(sparse.csr_array(upper + upper.conj().T))
    assert error(factors[~wrong], angles[~wrong]) < 0.3


def test_blocks_hang_together_and_are_in_phase():
    overlaps, angles = overlap_matrix(40)
    blocks = Blocks.of(overlaps)
    assert 40**2 / blocks.count >= BLOCK
    rows, columns = sparse.coo_array(overlaps).coords
    inside = blocks.labels[rows] == blocks.labels[columns]
    joined = sparse.csr_array(
        (np.ones(np.count_nonzero(inside)), (rows[inside], columns[inside])), shape=overlaps.shape
    )
    assert connected_components(joined, directed=False)[0] == blocks.count
    for label in range(blocks.count):
        members = blocks.labels == label
        assert disagreement(blocks.factors[members], np.exp(-1j * angles[members])) < 1e-9


def test_patches_that_overlap_with_none_are_blocks_by_themselves():
    blocks = Blocks.of(sparse.csr_array((200, 200), dtype=np.complex128))
    assert blocks.count == 200
    np.testing.assert_array_equal(spectral_phases(sparse.csr_array((200, 200), dtype=np.complex128), blocks), 1)


def test_parts_and_lonely_patches_are_told_apart():
    first, angles = overlap_matrix(3)
    second, other = overlap_matrix(12)
    overlaps = sparse.block_diag([first, sparse.csr_array((1, 1)), second]).tocsr()
    factors, parts = synchronised_phases(sparse.csr_array(overlaps))
    assert [len(set(part.tolist())) for part in (parts, parts[:9], parts[10:])] == [3, 1, 1]
    assert factors[9] == 1
    assert disagreement(factors[:9], np.exp(-1j * angles)) < 1e-6
    assert disagreement(factors[10:], np.exp(-1j * other)) < 1e-6
