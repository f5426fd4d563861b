"""Blocks of strongly overlapping patches: what holds for a block is found at a fraction of what patches cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ptycho_stitchers.overlap_matrix import hermitian, unit

BLOCK = 10
"""Patches of a block, on average at least."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of patches, `count` of them.

    labels: (M,), which block each patch belongs to, counted from 0. factors: (M,), of modulus 1, bring the patches of
    each block into phase along their strongest overlaps, one after the other.
    """

    labels: NDArray[np.int64]
    factors: NDArray[np.complex128]
    count: int

    @staticmethod
    def of(overlaps: sparse.csr_array) -> Blocks:
        """The blocks of patches with `overlaps` (M, M); patches without overlaps are blocks by themselves.

        Overlaps are Hermitian to the last bit: the strongest must not depend on the side that it is seen from.
        A patch goes with the one that it overlaps most with, and chains of such patches are a block; blocks are joined
        alike until they are large enough.
        """
        blocks = _joined(overlaps)
        while overlaps.shape[0] < BLOCK * blocks.count:
            joined = _joined(blocks.merged(overlaps, blocks.factors))
            if joined.count == blocks.count:
                break
            factors = blocks.factors * joined.factors[blocks.labels]
            blocks = Blocks(joined.labels[blocks.labels], factors, joined.count)
        return blocks

    def merged(self, overlaps: sparse.csr_array, factors: NDArray[np.complex128]) -> sparse.csr_array:
        """Overlaps (B, B) of the blocks, zero diagonal, with the patches turned by `factors` (M,)."""
        members = self.members(factors)
        return hermitian(members.conj().T @ overlaps @ members)

    def members(self, values: NDArray[np.generic]) -> sparse.csr_array:
        """The matrix (M, B) with the value of each patch in the column of its block."""
        patches = np.arange(len(self.labels))
        return sparse.csr_array((values, (patches, self.labels)), shape=(len(patches), self.count))


def _joined(overlaps: sparse.csr_array) -> Blocks:
    """Each patch with the one that it overlaps most with."""
    patches = np.arange(overlaps.shape[0])
    strongest, values = _strongest(overlaps)
    # Of two that are each other's strongest the first is the root of the tree that all others lead to.
    root = (strongest[strongest] == patches) & (patches <= strongest)
    parents = np.where(root, patches, strongest)
    factors = np.where(root, 1, unit(values))
    # Every round doubles how far up the tree each patch looks.
    while not np.array_equal(above := parents[parents], parents):
        factors = factors * factors[parents]
        parents = above
    roots, labels = np.unique(parents, return_inverse=True)
    return Blocks(labels.astype(np.int64), factors, len(roots))


def _strongest(overlaps: sparse.csr_array) -> tuple[NDArray[np.int64], NDArray[np.complex128]]:
    """The neighbour (M,) with the largest overlap, and that overlap; the patch itself and 0 where it has none."""
    pairs = sparse.coo_array(overlaps)
    rows, columns = pairs.coords
    moduli = np.abs(pairs.data)
    largest = np.zeros(overlaps.shape[0])
    np.maximum.at(largest, rows, moduli)
    equal = np.flatnonzero((moduli == largest[rows]) & (moduli > 0))
    # Of equal ones the same on both sides, so that following the strongest ends in a pair and never in a circle.
    lower, upper = np.minimum(rows, columns)[equal], np.maximum(rows, columns)[equal]
    order = equal[np.lexsort((upper, lower, rows[equal]))]
    last = np.flatnonzero(np.diff(rows[order], append=-1))
    chosen = order[last]
    strongest, values = np.arange(overlaps.shape[0]), np.zeros(overlaps.shape[0], dtype=np.complex128)
    strongest[rows[chosen]], values[rows[chosen]] = columns[chosen], pairs.data[chosen]
    return strongest, values
