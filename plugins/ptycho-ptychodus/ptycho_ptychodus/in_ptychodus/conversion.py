"""A scan from what Ptychodus hands to a reconstructor, and its product with our object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from ptychodus.api.object import Object, ObjectCenter
from ptychodus.api.product import LossValue, Product
from ptychodus.api.reconstruct import ReconstructInput

from ptycho_host.contracts import Reconstruction
from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.conventions import Convention
from ptycho_host.data.patterns import LoadedPatterns
from ptycho_host.data.scan import Scan
from ptycho_host.records import EpochReport
from ptycho_ptychodus.relaxation import MeanProbe
from ptycho_ptychodus.training import HALF_A_PIXEL


def scan_of(parameters: ReconstructInput, mode: int) -> tuple[Scan, NDArray[np.int64]]:
    """The scan, and where pixel [0, 0] of its canvas lies in the product's object, (y, x).

    It is [0, 0] too, as long as all patches lie on that object. Negative counts, as dark subtraction leaves them, are
    read as zero; patterns without a photon are kept, so that each position stays with its pattern.
    """
    product = parameters.product
    check = ScanChecker(f"product '{product.metadata.name}'", "patterns", "probe")
    if not product.metadata.far_field:
        raise check.fail("far_field", "is False, and only far-field scans can be used", "take a far-field scan")
    patterns = LoadedPatterns(np.asarray(parameters.diffraction_patterns))
    pixels = patterns.shape[-1]
    bad = None
    if parameters.bad_pixels is not None:
        bad = check.bad_pixels(np.asarray(parameters.bad_pixels), "bad_pixels", pixels)
    geometry = product.object_.get_geometry()
    y = geometry.map_probe_positions_to_object_y_px(product.probe_positions)
    x = geometry.map_probe_positions_to_object_x_px(product.probe_positions)
    positions = check.positions(y, x, patterns.shape[0]) + HALF_A_PIXEL
    low = np.minimum(np.floor(positions.min(axis=0) - pixels / 2 + 0.5).astype(np.int64), 0)
    size = np.maximum((positions.max(axis=0) + pixels / 2 - 0.5), (geometry.height_px, geometry.width_px)) - low
    return Scan(
        amplitudes=check.patterns(patterns, Convention("intensity", negative="zero"), bad, "keep")[:],
        positions=positions - low,
        probe=check.probe(mean_probe(product).modes, pixels, mode),
        # Only its size is used: the canvas that the new object is to fill.
        reference=np.ones(np.ceil(size).astype(int), dtype=np.complex64),
        name=product.metadata.name,
        bad_pixels=bad,
    ), low


def mean_probe(product: Product) -> MeanProbe:
    """Its probe, averaged over the scan where it varies."""
    return MeanProbe.of(product.probes.get_array(), product.probes.get_opr_weights_or_none())


def product_of(
    parameters: ReconstructInput,
    reconstruction: Reconstruction,
    low: NDArray[np.int64],
    history: Sequence[EpochReport],
    comment: str,
) -> Product:
    """The given product with the new object and the losses of training; positions and probe stay as they are."""
    given = parameters.product
    old = given.object_.get_geometry()
    height, width = reconstruction.object.shape
    centre = ObjectCenter(
        x_m=old.center_x_m + (low[1] + (width - old.width_px) / 2) * old.pixel_width_m,
        y_m=old.center_y_m + (low[0] + (height - old.height_px) / 2) * old.pixel_height_m,
    )
    comments = "\n".join(filter(None, (given.metadata.comments, comment)))
    return replace(
        given,
        metadata=replace(given.metadata, comments=comments),
        object_=Object(reconstruction.object, old.get_pixel_geometry(), centre),
        losses=[LossValue(report.epoch, report.training_loss) for report in history],
    )


def what_is_used(probe: MeanProbe, mode: int, layers: int) -> list[str]:
    """One sentence for each thing in a product that a single steady mode and a single layer leave out."""
    said, modes = probe.said if mode == 0 else [], probe.modes
    if len(modes) > 1 and mode < len(modes):
        power = np.sum(np.abs(modes.astype(np.complex128)) ** 2, axis=(1, 2))
        said.append(
            f"Of {len(modes)} probe modes, mode {mode} is used, with {power[mode] / power.sum():.0%} of the power."
        )
    if layers > 1:
        said.append(f"The object's {layers} layers are not used; the new object has one.")
    return said
