"""One phase a patch from the phases between pairs of patches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

DENSE = 64
"""Up to so many patches the full eigenproblem is solved."""
RESIDUAL = 1e-8
"""Relative accuracy of the eigenvalue; the phases' error is about this over the gap to the next eigenvalue."""


def synchronised_phases(overlaps: sparse.csr_array) -> tuple[NDArray[np.complex128], NDArray[np.int64]]:
    """Unit factors (M,) that turn the patches into phase, and the connected part (M,) that each patch belongs to.

    `overlaps` (M, M) is Hermitian with zero diagonal and V_kl = <o_k, o_l>. In each connected part the factors are
    the phases of the leading eigenvector of D^-1/2 V D^-1/2, with D_kk = sum_l |V_kl|: the spectral relaxation of
    angular synchronisation (Singer, Appl. Comput. Harmon. Anal. 30 (2011) 20), used for ptychographic frames by
    Marchesini et al., Inverse Problems 29 (2013) 115009. A patch without neighbours keeps its phase.
    """
    _, parts = connected_components(abs(overlaps), directed=False)
    factors = np.ones(overlaps.shape[0], dtype=np.complex128)
    order = np.argsort(parts, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(parts[order])) + 1):
        if len(members) > 1:
            factors[members] = _leading_phases(overlaps[members][:, members])
    return factors, parts.astype(np.int64)


def _leading_phases(overlaps: sparse.csr_array) -> NDArray[np.complex128]:
    """Phases (m,) of the leading eigenvector of one connected part."""
    degree = np.asarray(abs(overlaps).sum(axis=1)).ravel()
    scaling = sparse.diags_array(1 / np.sqrt(degree))
    normalised = (scaling @ overlaps @ scaling).tocsr()
    if len(degree) <= DENSE:
        return _phases(np.linalg.eigh(normalised.toarray())[1][:, -1])
    start = np.sqrt(degree) * _along_a_tree(overlaps, int(degree.argmax()))
    try:
        vectors = eigsh(normalised, k=1, which="LA", v0=start, tol=RESIDUAL, maxiter=10 * len(degree))[1]
    except ArpackNoConvergence as error:
        vectors = error.eigenvectors
    return _phases(vectors[:, 0]) if vectors.size else _phases(start)


def _along_a_tree(overlaps: sparse.csr_array, root: int) -> NDArray[np.complex128]:
    """Unit factors (m,) that agree with the pairs of a breadth-first tree: exact without noise, so a good start."""
    order, parents = breadth_first_order(abs(overlaps), root, directed=False)
    children = order[1:]
    steps = dict(zip(children.tolist(), _phases(np.asarray(overlaps[children, parents[children]])), strict=True))
    factors = np.ones(len(parents), dtype=np.complex128)
    for child, parent in zip(children.tolist(), parents[children].tolist(), strict=True):
        factors[child] = factors[parent] * steps[child]
    return factors


def _phases(values: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Values (…) over their moduli; 1 where a modulus is zero."""
    moduli = np.abs(values)
    return np.divide(values, moduli, out=np.ones_like(values), where=moduli > 0)
