"""One phase a patch from the phases between pairs of patches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ptycho_stitchers.blocks import Blocks
from ptycho_stitchers.eigenvectors import spectral_phases
from ptycho_stitchers.likelihood import most_likely_phases
from ptycho_stitchers.overlap_matrix import degree, hermitian

ROUNDS = 3
"""At most so often the phases are sought anew, with less weight on patches that contradict their neighbours."""
AGREED = 0.9
"""Agreement of all patches from which on another round would find the same."""
LEAST = 1e-3
"""What patches count at least: they must not fall out of what is connected."""


def synchronised_phases(overlaps: sparse.csr_array) -> tuple[NDArray[np.complex128], NDArray[np.int64]]:
    """Unit factors (M,) that turn the patches into phase, and the connected part (M,) that each patch belongs to.

    `overlaps` (M, M) is Hermitian with zero diagonal and V_kl = <o_k, o_l>. In each connected part the phases start
    from eigenvectors (`spectral_phases`) and end where they explain the overlaps best (`most_likely_phases`), with
    |V_kl| weighted by how well k and l agree with their neighbours. Time and memory grow in proportion to the number of
    overlaps. A patch without neighbours keeps its phase.
    """
    _, parts = connected_components(abs(overlaps), directed=False)
    factors = np.ones(overlaps.shape[0], dtype=np.complex128)
    order = np.argsort(parts, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(parts[order])) + 1):
        if len(members) > 1:
            factors[members] = _in_phase(hermitian(overlaps[members][:, members]))
    return factors, parts.astype(np.int64)


def _in_phase(overlaps: sparse.csr_array) -> NDArray[np.complex128]:
    """The factors (m,) of one connected part."""
    trusted = overlaps
    for _ in range(ROUNDS):
        blocks = Blocks.of(trusted)
        start = spectral_phases(trusted, blocks)
        agreement = _agreement(overlaps, start)
        trust = sparse.diags_array(agreement)
        trusted = hermitian(trust @ overlaps @ trust)
        if agreement.min() > AGREED:
            break
    return most_likely_phases(trusted, start, blocks)


def _agreement(overlaps: sparse.csr_array, factors: NDArray[np.complex128]) -> NDArray[np.float64]:
    """How well each patch (m,) agrees with all of its neighbours: 1, or next to nothing where their overlaps differ.

    A patch that the network got wrong has overlaps as large as others: taken in full they would bend what is around it.
    """
    agreeing = np.real(factors.conj() * (overlaps @ factors))
    return np.clip(agreeing / degree(overlaps), LEAST, 1.0)
