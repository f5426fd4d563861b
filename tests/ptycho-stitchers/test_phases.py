"""Angular synchronisation: phases of patches from phases between pairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from ptycho_stitchers import phases
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


@pytest.mark.parametrize("side", [2, 5, 42])
def test_consistent_phases_are_found_exactly(side):
    overlaps, angles = overlap_matrix(side)
    factors, parts = synchronised_phases(overlaps)
    assert disagreement(factors, np.exp(-1j * angles)) < 1e-6
    np.testing.assert_allclose(np.abs(factors), 1)
    assert not parts.any()


def test_noisy_phases_equal_those_of_the_full_eigenproblem():
    overlaps, angles = overlap_matrix(20, noise=0.8)
    degree = np.abs(overlaps.toarray()).sum(axis=1)
    dense = np.linalg.eigh(overlaps.toarray() / np.sqrt(np.outer(degree, degree)))[1][:, -1]
    factors, _ = synchronised_phases(overlaps)
    # The eigenvalue's accuracy 1e-8 over a gap of about 1e-2.
    assert disagreement(factors, dense / np.abs(dense)) < 1e-4
    # Each patch has a dozen noisy pairs, so the phases are much better than one pair.
    error = factors * np.exp(1j * angles)
    assert np.std(np.angle(error * np.conj(error.sum()))) < 0.8 / 2


def test_without_convergence_the_tree_still_gives_consistent_phases(monkeypatch):
    def gives_up(*_arguments, **_options):
        raise phases.ArpackNoConvergence("gave up", np.empty(0), np.empty((400, 0)))

    overlaps, angles = overlap_matrix(20)
    monkeypatch.setattr(phases, "eigsh", gives_up)
    factors, _ = synchronised_phases(overlaps)
    assert disagreement(factors, np.exp(-1j * angles)) < 1e-6


def test_parts_and_lonely_patches_are_told_apart():
    first, angles = overlap_matrix(3)
    second, other = overlap_matrix(12)
    overlaps = sparse.block_diag([first, sparse.csr_array((1, 1)), second]).tocsr()
    factors, parts = synchronised_phases(sparse.csr_array(overlaps))
    assert [len(set(part.tolist())) for part in (parts, parts[:9], parts[10:])] == [3, 1, 1]
    assert factors[9] == 1
    assert disagreement(factors[:9], np.exp(-1j * angles)) < 1e-6
    assert disagreement(factors[10:], np.exp(-1j * other)) < 1e-6
