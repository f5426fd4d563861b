"""A generator of whole scans has learnt probes of one width: wider ones are shown to it on coarser pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from ptycho_host.configured import scope_of
from ptycho_host.contracts import Bundle, Reconstruction
from ptycho_host.data.scan import Scan
from ptycho_host.physics.illumination import probe_diameter
from ptycho_host.preparation.detector import crop
from ptycho_host.workflows.refinement_start import without_gaps

WIDER = 1.5
"""How many times as wide as in training a probe may be before a generator of whole scans is out of its depth.

Narrower ones it takes as they are: photographs under half the width come out as well.
"""


def as_in_training(bundle: Bundle, scan: Scan) -> Scan:
    """The scan on pixels so coarse that its probe is no wider than that of the training; as it is where that fits.

    Coarse is what the middle of the detector sees. Objects that are known stay behind.
    """
    learnt = bundle.facts.get("probe_diameter")
    if learnt is None or scope_of(bundle.generator) == "pattern":
        return scan
    ratio = probe_diameter(scan.probe) / float(learnt)
    if ratio < WIDER:
        return scan
    # An even number of pixels whose Fourier transform is fast; rather a few more than the ratio asks for.
    pixels = 2 * fft.next_fast_len(round(scan.pixels / (2 * ratio)))
    return crop(pixels=pixels)(replace(scan, truth=None, reference=None))


def canvas_shape(scan: Scan, seen: Scan) -> tuple[int, int]:
    """The smallest canvas (H, W) of the pixels of `seen` that has all of the scan's own on it."""
    scale = scan.pixels / seen.pixels
    height, width = (int(np.ceil((side - 1) / scale)) + 1 for side in scan.canvas_shape())
    return height, width


def on_pixels_of(scan: Scan, seen: Scan, made: Reconstruction) -> Reconstruction:
    """On the scan's own pixels what was made of it as it was `seen`."""
    if seen.pixels == scan.pixels:
        return made
    shape, scale = scan.canvas_shape(), scan.pixels / seen.pixels
    # Cubic splines follow an object; linear ones keep what is nowhere negative so.
    obj, coverage = _finer(without_gaps(made).object, scale, shape, 3), _finer(made.coverage, scale, shape, 1)
    note = (
        f"the probe, {probe_diameter(scan.probe):.0f} px, is wider than that of the training: the network worked on "
        f"pixels {scale:.1f} times as large, and a refiner finds what is finer"
    )
    return replace(made, object=np.where(coverage > 0, obj, 0), coverage=coverage, notes=(*made.notes, note))


def _finer(values: NDArray[Any], scale: float, shape: tuple[int, int], order: int) -> NDArray[Any]:
    """Values (h, w) on pixels `scale` times as small, (H, W), by splines of that order; both begin at one point."""
    finer: NDArray[Any] = ndimage.affine_transform(
        values, np.full(2, 1 / scale), output_shape=shape, order=order, mode="nearest"
    )
    return finer
