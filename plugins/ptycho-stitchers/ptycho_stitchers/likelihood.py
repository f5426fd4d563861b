"""The phases of patches that explain those of their overlaps best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg, splu

from ptycho_stitchers.blocks import Blocks
from ptycho_stitchers.overlap_matrix import degree

SETTLED = 1e-3
"""Radians: when no phase changes by more, they are found."""
STEPS = 10
"""At most so many; two or three do unless many overlaps contradict each other."""
ACCURACY = 1e-2
"""Relative residual of each step's equations: what it leaves, the next step takes."""
LOOSE = 1e-8
"""Holds the blocks' common phase, which the overlaps leave free, in parts of the largest diagonal entry."""


def most_likely_phases(
    overlaps: sparse.csr_array, start: NDArray[np.complex128], blocks: Blocks
) -> NDArray[np.complex128]:
    """Unit factors (M,) at the maximum of sum_kl Re(f_k* V_kl f_l) that lies uphill from `start` (M,).

    `overlaps` V (M, M) is Hermitian with zero diagonal, `blocks` are of it, and all of it is connected. The maximum is
    the most likely one where the phase of V_kl has errors of a concentration in proportion to |V_kl| (von Mises). A
    cosine curves by one at most, so the step that solves L d = Im(f* V f), with the Laplacian L of the weights |V|,
    never goes downhill (Hunter and Lange, Am. Stat. 58 (2004) 30). Conjugate gradients with one equation a block as
    preconditioner need as many iterations for ten thousand patches as for a million.
    """
    laplacian = sparse.csr_array(sparse.diags_array(degree(overlaps)) - abs(overlaps))
    preconditioner = _by_blocks(laplacian, blocks)
    factors = start
    for _ in range(STEPS):
        slope = np.imag(factors.conj() * (overlaps @ factors))
        step, _ = cg(laplacian, slope - slope.mean(), rtol=ACCURACY, M=preconditioner)
        factors = factors * np.exp(1j * step)
        if np.abs(step - step.mean()).max() < SETTLED:
            break
    return factors


def _by_blocks(laplacian: sparse.csr_array, blocks: Blocks) -> LinearOperator:
    """The inverse of the diagonal, and beside it that of the equations for blocks which turn as one."""
    diagonal = laplacian.diagonal()
    members = blocks.members(np.ones_like(diagonal))
    gathered = members.T.tocsr()
    coarse = gathered @ laplacian @ members
    held = coarse + sparse.diags_array(np.full(blocks.count, LOOSE * diagonal.max()))
    solve = splu(sparse.csc_array(held), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve

    def inverse(residual: NDArray[np.float64]) -> NDArray[np.float64]:
        return residual / diagonal + members @ solve(gathered @ residual)

    return LinearOperator(laplacian.shape, matvec=inverse, dtype=np.float64)
