"""What is taken of the Hermitian matrix of overlaps, zero on its diagonal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


def hermitian(overlaps: sparse.sparray) -> sparse.csr_array:
    """The matrix (M, M) that the part above the diagonal stands for, Hermitian to the last bit."""
    upper = sparse.triu(overlaps, k=1).tocsr()
    return sparse.csr_array(upper + upper.conj().T)


def degree(overlaps: sparse.csr_array) -> NDArray[np.float64]:
    """D (M,): sums of the moduli of each patch's overlaps."""
    return np.asarray(abs(overlaps).sum(axis=1), dtype=np.float64).ravel()


def unit(values: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Values (…) over their moduli; 1 where a modulus is zero."""
    moduli = np.abs(values)
    return np.divide(values, moduli, out=np.ones_like(values), where=moduli > 0)
