"""How far apart the patches lie that a weighted mean is taken of."""

from __future__ import annotations

from typing import Any, TypeVar

from ptycho_stitchers.devices import library_of

Map = TypeVar("Map", bound=Any)

TERMS = 3
"""Entries of v = (a, b, w)."""
FACTORS = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))
"""Different entries of v v^T: a a, a b, b b, a w, b w, w w."""
LEAST_PATCHES = 1.5
"""With fewer effective patches, (sum w)^2 / sum w^2, on a pixel their spread says nothing."""


def patch_spread(real: Map, imaginary: Map, weight: Map, products: Map) -> tuple[Map, Map, Map]:
    """The spread of the patches o, of weights w, about their weighted mean: `ptycho_host.contracts.PatchSpread`.

    Arrays or tensors; all maps are (H, W) float32. real, imaginary: of the mean. weight: sum w; zero where there is no
    object. products: (6, H, W), sums over the patches of v v^T, FACTORS, with v = (Re w o, Im w o, w).

    The variance of the mean is taken as sum w^2 d^2 / ((sum w)^2 - sum w^2), with d the component of o - mean along the
    mean's phasor, or across it; times n = (sum w)^2 / sum w^2 effective patches it is that of one patch. It needs no
    model of the patches' own errors: it has no bias for equal ones under equal weights, nor for variances that go with
    1/w. Up to the second term of the divisor it is the variance of a ratio (Cochran, Sampling Techniques, 1977, chapter
    6), which Gatz and Smith, Atmos. Environ. 29 (1995) 1185, found nearest to the bootstrap's for weighted means.
    Single precision limits the relative spread to some 1e-3 from below.
    """
    library = library_of(weight)
    aa, ab, bb, aw, bw, ww = products
    modulus = library.sqrt(real * real + imaginary * imaginary)
    # Where the mean is zero any direction will do.
    there = library.where(modulus > 0, modulus, 1.0)
    c, s = real / there, imaginary / there
    # v is turned so that its first component lies along the mean's phasor; the second one of the mean itself is zero.
    cc, ss, mixed = c * c, s * s, 2 * c * s * ab
    along = cc * aa + mixed + ss * bb + modulus * (modulus * ww - 2 * (c * aw + s * bw))
    across = ss * aa - mixed + cc * bb
    squared = weight * weight
    patches = library.where((weight > 0) & (ww > 0), squared / library.where(ww > 0, ww, 1.0), 0.0)
    several = patches > LEAST_PATCHES
    of_one = library.where(several, patches / library.where(several, squared - ww, 1.0), float("nan"))

    def deviation(squares: Map) -> Map:
        spread: Map = library.sqrt(library.where(squares > 0, squares, 0.0) * of_one)
        return spread

    return deviation(along), deviation(across), patches
