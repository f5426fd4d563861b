"""`reconstruction.h5`: object, probe and positions in the product layout that Ptychodus opens."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import h5py
import numpy as np

from ptycho_host.atomic import write_bytes
from ptycho_host.contracts import Reconstruction
from ptycho_host.data.scan import ExperimentGeometry, Scan
from ptycho_host.records import EpochReport

NOMINAL = ExperimentGeometry(object_pixel_m=(1e-8, 1e-8), photon_energy_ev=1e4, detector_distance_m=1.0)
"""Written when the input has no metres, and said so in the comments: the layout requires them."""


def write_product(path: Path, reconstruction: Reconstruction, scan: Scan, history: list[EpochReport]) -> None:
    """Write the product atomically; raises RunFailedError when the folder cannot be written.

    Ptychodus counts pixels from the centre of the first one and puts a patch's centre at (N - 1)/2, half a pixel
    before ours; with the object's centre at the origin a position is x_m = (x - W/2) * pixel width.
    """
    geometry = scan.geometry or NOMINAL
    pixel_height, pixel_width = geometry.object_pixel_m
    height, width = reconstruction.object.shape
    comments = f"Scan '{scan.name}', reconstructed by ptycho-host."
    if scan.geometry is None:
        comments += " The input has no metres: pixel size, energy and distance are nominal."
    # On a full disk HDF5 does not fail, it crashes the interpreter: so it writes to memory.
    content = BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["name"] = scan.name
        file.attrs["comments"] = comments
        file.attrs["detector_object_distance_m"] = geometry.detector_distance_m
        file.attrs["photon_energy_eV"] = geometry.photon_energy_ev
        file.attrs["probe_photon_count"] = float(np.sum(np.abs(scan.probe.astype(np.complex128)) ** 2))
        for unknown in ("exposure_time_s", "mass_attenuation_m2_per_kg", "tomography_angle_deg"):
            file.attrs[unknown] = 0.0
        obj = file.create_dataset("object", data=reconstruction.object[np.newaxis].astype(np.complex64))
        obj.attrs["center_x_m"] = 0.0
        obj.attrs["center_y_m"] = 0.0
        probe = file.create_dataset("probe", data=scan.probe[np.newaxis, np.newaxis].astype(np.complex64))
        for image in (obj, probe):
            image.attrs["pixel_width_m"] = pixel_width
            image.attrs["pixel_height_m"] = pixel_height
        file.create_dataset("object_layer_spacing_m", data=np.zeros(0))
        file.create_dataset("probe_position_indexes", data=np.arange(scan.count, dtype=np.int64))
        file.create_dataset("probe_position_x_m", data=(scan.positions[:, 1] - width / 2) * pixel_width)
        file.create_dataset("probe_position_y_m", data=(scan.positions[:, 0] - height / 2) * pixel_height)
        file.create_dataset("loss_epochs", data=np.array([report.epoch for report in history], dtype=np.int64))
        file.create_dataset("loss_values", data=np.array([report.training_loss for report in history], dtype=float))
    write_bytes(path, content.getvalue())
