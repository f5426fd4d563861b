"""A generator of whole scans has learnt probes of one width: how a scan under another is shown to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import fft

from ptycho_host.configured import scope_of
from ptycho_host.contracts import Bundle, Reconstruction
from ptycho_host.data.scan import Scan
from ptycho_host.physics.coarse_pixels import coarser, finer
from ptycho_host.physics.illumination import probe_diameter
from ptycho_host.workflows.refinement_start import without_gaps

PROBE_RATIO = 1.5
"""Between the diameters of probes, from which on a generator of whole scans is out of its depth."""


def as_in_training(bundle: Bundle, scan: Scan) -> Scan:
    """The scan on pixels so coarse that its probe is no wider than that of the training; as it is where that fits."""
    ratio = _probe_ratio(bundle, scan)
    if ratio < PROBE_RATIO:
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
    return replace(made, object=obj, coverage=coverage)


def probe_notes(bundle: Bundle, scan: Scan) -> Iterator[str]:
    """What to tell of a probe that is much wider or narrower than that of the training."""
    ratio, diameter = _probe_ratio(bundle, scan), probe_diameter(scan.probe)
    both = f"the probe is {diameter:.0f} px wide and that of the training was {diameter / ratio:.0f} px: "
    if ratio >= PROBE_RATIO:
        yield f"{both}the network worked on pixels {ratio:.1f} times as large; a refiner finds what is finer"
    if ratio <= 1 / PROBE_RATIO:
        yield (
            f"{both}a refiner by itself may do better, or a network of this probe "
            "(ptycho train --simulate mixture --probe-from)"
        )


def _probe_ratio(bundle: Bundle, scan: Scan) -> float:
    """How much wider the probe is than that of the training; 1 where the generator does not mind, or nobody knows."""
    learnt = bundle.facts.get("probe_diameter")
    if learnt is None or scope_of(bundle.generator) == "pattern":
        return 1.0
    return probe_diameter(scan.probe) / float(learnt)
