"""How far apart the patches lie that a weighted mean is taken of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ptycho_host.contracts import PatchSpread

PRODUCTS = 6
"""Different entries of v v^T for v = (a, b, w): a a, a b, b b, a w, b w, w w."""
LEAST_PATCHES = 1.5
"""With fewer effective patches, (sum w)^2 / sum w^2, on a pixel their spread says nothing."""


def products_of(terms: NDArray[np.float32]) -> NDArray[np.float32]:
    """The different entries (…, PRODUCTS) of v v^T for v (…, 3)."""
    a, b, weight = np.moveaxis(terms, -1, 0)
    return np.stack([a * a, a * b, b * b, a * weight, b * weight, weight * weight], axis=-1)


def patch_spread(obj: NDArray[np.complex64], weight: NDArray[np.float32], products: NDArray[np.float32]) -> PatchSpread:
    """The spread of the patches o, of weights w, about their weighted mean `obj` (H, W).

    weight: (H, W), sum w; zero where there is no object. products: (H, W, PRODUCTS), sums over the patches of v v^T
    with v = (Re w o, Im w o, w). The variance of the mean is taken as sum w^2 d^2 / ((sum w)^2 - sum w^2), with d the
    component of o - mean along the mean's phasor, or across it; times
    n = (sum w)^2 / sum w^2 effective patches it is that of one patch. It needs no model of the patches' own errors: it
    has no bias for equal ones under equal weights, nor for variances that go with 1/w. Up to the second term of the
    divisor it is the variance of a ratio (Cochran, Sampling Techniques, 1977, chapter 6), which Gatz and Smith, Atmos.
    Environ. 29 (1995) 1185, found nearest to the bootstrap's for weighted means. Single precision limits the relative
    spread to some 1e-3 from below.
    """
    aa, ab, bb, aw, bw, ww = np.moveaxis(products, -1, 0)
    modulus = np.abs(obj)
    phasor = np.divide(obj, modulus, out=np.ones_like(obj), where=modulus > 0)
    c, s = phasor.real, phasor.imag
    # v is turned so that its first component lies along the mean's phasor; the second one of the mean itself is zero.
    along = c * c * aa + 2 * c * s * ab + s * s * bb - 2 * modulus * (c * aw + s * bw) + modulus**2 * ww
    across = s * s * aa - 2 * c * s * ab + c * c * bb
    patches = np.divide(weight**2, ww, out=np.zeros_like(weight), where=(weight > 0) & (ww > 0))
    several = patches > LEAST_PATCHES

    def deviation(squares: NDArray[np.float32]) -> NDArray[np.float32]:
        of_one = np.divide(patches * squares, weight**2 - ww, out=np.full_like(weight, np.nan), where=several)
        return np.sqrt(np.maximum(of_one, 0))

    return PatchSpread(deviation(along), deviation(across), patches)
