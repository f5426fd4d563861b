"""A generator of whole scans has learnt probes of one width: wider ones are shown to it on coarser pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import fft

from ptycho_host.configured import scope_of
from ptycho_host.contracts import Bundle, Reconstruction
from ptycho_host.data.scan import Scan
from ptycho_host.physics.coarse_pixels import coarser, finer
from ptycho_host.physics.illumination import probe_diameter
from ptycho_host.workflows.refinement_start import without_gaps

WIDER = 1.5
"""How many times as wide as in training a probe may be before a generator of whole scans is out of its depth.

Narrower ones it takes as they are: photographs under half the width come out as well.
"""


def as_in_training(bundle: Bundle, scan: Scan) -> Scan:
    """The scan on pixels so coarse that its probe is no wider than that of the training; as it is where that fits."""
    learnt = bundle.facts.get("probe_diameter")
    if learnt is None or scope_of(bundle.generator) == "pattern":
        return scan
    ratio = probe_diameter(scan.probe) / float(learnt)
    if ratio < WIDER:
        return scan
    # An even number of pixels whose Fourier transform is fast; rather a few more than the ratio asks for.
    return coarser(scan, 2 * fft.next_fast_len(round(scan.pixels / (2 * ratio))))


def on_pixels_of(scan: Scan, seen: Scan, made: Reconstruction) -> Reconstruction:
    """On the scan's own pixels what was made of it as it was `seen`."""
    if seen.pixels == scan.pixels:
        return made
    shape, scale = scan.canvas_shape(), scan.pixels / seen.pixels
    coverage = finer(made.coverage, scale, shape, order=1)
    obj = np.where(coverage > 0, finer(without_gaps(made).object, scale, shape), 0)
    note = (
        f"the probe, {probe_diameter(scan.probe):.0f} px, is wider than that of the training: the network worked on "
        f"pixels {scale:.1f} times as large, and a refiner finds what is finer"
    )
    return replace(made, object=obj, coverage=coverage, notes=(*made.notes, note))
