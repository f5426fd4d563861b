"""`reconstruction.h5`: object, probe and positions in the product layout that Ptychodus opens, written and read."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ptycho_host.atomic import write_bytes
from ptycho_host.contracts import Reconstruction, Uncertainty
from ptycho_host.data.formats.hdf5_reading import Hdf5Source, open_hdf5
from ptycho_host.data.scan import ComplexArray, ExperimentGeometry, Positions, Scan
from ptycho_host.errors import DataError
from ptycho_host.records import EpochReport

NOMINAL = ExperimentGeometry(object_pixel_m=(1e-8, 1e-8), photon_energy_ev=1e4, detector_distance_m=1.0)
"""Written when the input has no metres, and said so in the comments: the layout requires them."""

POSITION_INDEXES, PHOTON_COUNTS = "probe_position_indexes", "probe_photon_counts"
"""What the layout has for each position, and scans that were read from it keep under the same names."""

AMPLITUDE_UNCERTAINTY, PHASE_UNCERTAINTY = "object_amplitude_uncertainty", "object_phase_uncertainty"
"""Maps (H, W) of ours beside the layout's own items; Ptychodus reads what it knows and passes over them."""


def write_product(path: Path, reconstruction: Reconstruction, scan: Scan, history: list[EpochReport]) -> None:
    """Write the product atomically; raises RunFailedError when the folder cannot be written.

    Ptychodus counts pixels from the centre of the first one and puts a patch's centre at (N - 1)/2, half a pixel
    before ours; a position is x_m = centre_x_m + (x - W/2) * pixel width. Indexes and photon counts of the positions
    are those that the scan has from a file of Ptychodus. The losses are those of training, or the residuals of a
    refiner where nothing was trained. Probe, its further modes and positions are those that were refined, where they
    were.
    """
    modes = (scan.probe if reconstruction.probe is None else reconstruction.probe)[np.newaxis]
    if reconstruction.further_modes is not None:
        modes = np.concatenate([modes, reconstruction.further_modes])
    positions = scan.positions if reconstruction.positions is None else reconstruction.positions
    losses = [(report.epoch, report.training_loss) for report in history] or [
        (report.epoch, report.residual) for report in reconstruction.refinement
    ]
    geometry = scan.geometry or NOMINAL
    pixel_height, pixel_width = geometry.object_pixel_m
    height, width = reconstruction.object.shape
    centre_y, centre_x = geometry.object_centre_m(reconstruction.object.shape)
    indexes = scan.per_pattern.get(POSITION_INDEXES, np.arange(scan.count, dtype=np.int64))
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
        file.attrs["probe_photon_count"] = float(np.sum(np.abs(modes.astype(np.complex128)) ** 2))
        for unknown in ("exposure_time_s", "mass_attenuation_m2_per_kg", "tomography_angle_deg"):
            file.attrs[unknown] = 0.0
        obj = file.create_dataset("object", data=reconstruction.object[np.newaxis].astype(np.complex64))
        obj.attrs["center_x_m"] = centre_x
        obj.attrs["center_y_m"] = centre_y
        probe = file.create_dataset("probe", data=modes[np.newaxis].astype(np.complex64))
        for image in (obj, probe):
            image.attrs["pixel_width_m"] = pixel_width
            image.attrs["pixel_height_m"] = pixel_height
        if reconstruction.uncertainty is not None:
            maps = reconstruction.uncertainty
            file.create_dataset(AMPLITUDE_UNCERTAINTY, data=maps.amplitude.astype(np.float32))
            file.create_dataset(PHASE_UNCERTAINTY, data=maps.phase.astype(np.float32)).attrs["units"] = "rad"
        file.create_dataset("object_layer_spacing_m", data=np.zeros(0))
        file.create_dataset(POSITION_INDEXES, data=indexes)
        file.create_dataset("probe_position_x_m", data=centre_x + (positions[:, 1] - width / 2) * pixel_width)
        file.create_dataset("probe_position_y_m", data=centre_y + (positions[:, 0] - height / 2) * pixel_height)
        if PHOTON_COUNTS in scan.per_pattern:
            file.create_dataset(PHOTON_COUNTS, data=scan.per_pattern[PHOTON_COUNTS])
        file.create_dataset("loss_epochs", data=np.array([epoch for epoch, _ in losses], dtype=np.int64))
        file.create_dataset("loss_values", data=np.array([loss for _, loss in losses], dtype=float))
    write_bytes(path, content.getvalue())


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """What a product file holds, on our conventions.

    object: (H, W) complex64, not necessarily finite. positions: (M, 2) float64 (y, x) of the patches' centres in
    pixels of this object. modes: (L, N, N) complex64 of the probe, whose intensities add. uncertainty: (H, W) each,
    where it was written.
    """

    object: ComplexArray = field(repr=False)
    positions: Positions = field(repr=False)
    modes: ComplexArray = field(repr=False)
    uncertainty: Uncertainty | None = field(default=None, repr=False)

    @property
    def probe(self) -> ComplexArray:
        """(N, N) complex64, the first mode."""
        first: ComplexArray = self.modes[0]
        return first


def read_product(path: Path) -> Product:
    """The product in an HDF5 file of ours or of Ptychodus; raises DataError that names file, item and remedy.

    Positions are turned back from metres: see `write_product`.
    """
    with open_hdf5(path) as source:
        return _product(source, path)


def _product(source: Hdf5Source, path: Path) -> Product:
    obj = _numbers(source, "object", "c")
    if obj.ndim == 2:
        obj = obj[np.newaxis]
    if obj.ndim != 3 or obj.size == 0:
        raise DataError(f"{path}: object has shape {obj.shape}; it must be (layers, H, W).")
    if len(obj) > 1:
        raise DataError(f"{path} holds an object of {len(obj)} layers; save the layer or the projection to be used.")
    probe = _numbers(source, "probe", "c")
    if probe.ndim < 2 or probe.size == 0:
        raise DataError(f"{path}: probe has shape {probe.shape}; it must be (…, N, N).")
    positions = []
    for axis, name, side in (("y", "height", obj.shape[1]), ("x", "width", obj.shape[2])):
        metres = _numbers(source, f"probe_position_{axis}_m", "fiu").astype(np.float64).ravel()
        pixel, centre = (_length(source, key) for key in (f"pixel_{name}_m", f"center_{axis}_m"))
        if not (np.isfinite(metres).all() and np.isfinite(centre) and np.isfinite(pixel) and pixel > 0):
            raise DataError(f"{path}: positions, pixel {name} or centre along {axis} are no lengths; write it again.")
        positions.append((metres - centre) / pixel + side / 2)
    if len(positions[0]) != len(positions[1]):
        raise DataError(f"{path} holds {len(positions[0])} positions in y and {len(positions[1])} in x.")
    if probe.ndim == 2:
        probe = probe[np.newaxis]
    # (coherent, incoherent, N, N): of a probe that varies along the scan the first one is taken.
    modes = probe.reshape(-1, *probe.shape[-3:])[0]
    with np.errstate(over="ignore"):
        return Product(
            obj[0].astype(np.complex64),
            np.stack(positions, axis=-1),
            modes.astype(np.complex64),
            _uncertainty(source, obj.shape[1:]),
        )


def _uncertainty(source: Hdf5Source, shape: tuple[int, ...]) -> Uncertainty | None:
    if AMPLITUDE_UNCERTAINTY not in source.root and PHASE_UNCERTAINTY not in source.root:
        return None
    amplitude, phase = (
        _numbers(source, name, "f").astype(np.float32) for name in (AMPLITUDE_UNCERTAINTY, PHASE_UNCERTAINTY)
    )
    if not amplitude.shape == phase.shape == shape:
        raise DataError(
            f"{source.path}: the uncertainties have shapes {amplitude.shape} and {phase.shape}, the object {shape}."
        )
    return Uncertainty(amplitude, phase)


def _numbers(source: Hdf5Source, name: str, kinds: str) -> NDArray[Any]:
    """A dataset of the file, after checking its type."""
    found = source.dataset(name)
    if found is None:
        held = ", ".join(sorted(source.root)) or "nothing"
        raise DataError(f"{source.path} is no product: it has no dataset '{name}' (it holds {held}).")
    if found.dtype.kind not in kinds:
        due = "complex" if kinds == "c" else "real"
        raise DataError(f"{source.path}: {name} holds {found.dtype} where {due} numbers are due.")
    return source.array(name)


def _length(source: Hdf5Source, key: str) -> float:
    """An attribute of the object."""
    value = source.attribute("object", key)
    if not isinstance(value, np.ndarray) or value.size != 1 or value.dtype.kind not in "fiu":
        raise source.fail(f"attribute '{key}' of object", "is missing or no number", "write the file again")
    return float(value.item())
