"""Phases of patches from eigenvectors: of each block by itself, then of the blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ptycho_stitchers.blocks import Blocks
from ptycho_stitchers.overlap_matrix import degree, unit

DENSE = 128
"""Up to so many patches the full eigenproblem is solved."""
ITERATIONS = 50
"""Of the power method inside of blocks, which starts from phases that are exact without noise."""


def spectral_phases(overlaps: sparse.csr_array, blocks: Blocks) -> NDArray[np.complex128]:
    """Unit factors (M,) that nearly bring patches with Hermitian `overlaps` (M, M) into phase; `blocks` are of these.

    The phases of the leading eigenvector of D^-1/2 V D^-1/2, D_kk = sum_l |V_kl|, are the spectral relaxation of
    angular synchronisation (Singer, Appl. Comput. Harmon. Anal. 30 (2011) 20), used for ptychographic frames by
    Marchesini et al., Inverse Problems 29 (2013) 115009. For thousands of patches at once it is slow to find, since
    the next eigenvalues come close, and it may leave most of them out, with a corner that agrees well in itself. So
    it is taken of blocks of some ten patches, then of the blocks in the same way.
    """
    if len(blocks.labels) <= DENSE:
        return unit(np.linalg.eigh(_normalised(overlaps, degree(overlaps)).toarray())[1][:, -1])
    if blocks.count == len(blocks.labels):
        return blocks.factors
    factors = _inside(overlaps, blocks)
    between = blocks.merged(overlaps, factors)
    return factors * spectral_phases(between, Blocks.of(between))[blocks.labels]


def _inside(overlaps: sparse.csr_array, blocks: Blocks) -> NDArray[np.complex128]:
    """Phases (M,) of the leading eigenvectors of all blocks, by the power method for all at once."""
    pairs = sparse.coo_array(overlaps)
    rows, columns = pairs.coords
    same = blocks.labels[rows] == blocks.labels[columns]
    inner = sparse.csr_array((pairs.data[same], (rows[same], columns[same])), shape=overlaps.shape)
    degrees = degree(inner)
    vector, step = blocks.factors * np.sqrt(degrees), _normalised(inner, degrees)
    for _ in range(ITERATIONS):
        # With the half that stays, eigenvalues lie between 0 and 1: a large negative one cannot win.
        vector = (vector + step @ vector) / 2
    return unit(vector)


def _normalised(overlaps: sparse.csr_array, degrees: NDArray[np.float64]) -> sparse.csr_array:
    """D^-1/2 V D^-1/2, with zero for patches that overlap with none."""
    scaling = sparse.diags_array(np.divide(1.0, np.sqrt(degrees), out=np.zeros_like(degrees), where=degrees > 0))
    return sparse.csr_array(scaling @ overlaps @ scaling)
