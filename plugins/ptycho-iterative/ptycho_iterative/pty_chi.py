"""LSQ-ML of pty-chi, where that is installed.

pty-chi comes with libraries of its own (torchvision among them, which may ask for another build of torch), so nothing
here depends on it: it is imported when a refinement begins.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from importlib import import_module
from io import StringIO
from time import perf_counter
from typing import Any

import numpy as np
import torch

from ptycho_host.contracts import Progress, Reconstruction, RefinementEpoch
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError, RunFailedError
from ptycho_iterative.options import BatchSize, Device, Epochs, Probe, Seed


@dataclass(frozen=True, slots=True)
class PtyChi:
    """Hands scan and start over to pty-chi and takes object and probe back (`contracts.RefineFunction`).

    It wants all patterns in memory.
    """

    api: Any
    epochs: int
    batch_size: int
    free_probe: bool
    seed: int
    device: str

    def __call__(self, scan: Scan, start: Reconstruction, progress: Progress, /) -> Reconstruction:
        """The refined object; raises RunFailedError when it is not finite."""
        probe = scan.probe if start.probe is None else start.probe
        norm, epochs = np.linalg.norm(probe), []
        progress.start("refining (ptychi)", self.epochs * scan.count, "patterns")
        # Its bars would mix with ours.
        with _undisturbed(), redirect_stderr(StringIO()):
            task = self._task(scan, start, probe)
            for epoch in range(1, self.epochs + 1):
                started = perf_counter()
                task.run(1)
                residual = _residual(task, scan)
                epochs.append(RefinementEpoch(epoch, residual, perf_counter() - started))
                progress.advance(scan.count, epoch=epoch, residual=residual)
            obj = task.get_data_to_cpu("object", as_numpy=True)[0]
            refined_probe = task.get_data_to_cpu("probe", as_numpy=True)[0, 0]
        progress.finish()
        if not np.isfinite(obj).all():
            raise RunFailedError("refiner 'ptychi' diverged; start from a better object, or use 'rpie'.")
        if not self.free_probe:
            return replace(start, object=obj.astype(np.complex64), refinement=tuple(epochs))
        factor = norm / np.linalg.norm(refined_probe)
        return replace(
            start,
            object=(obj / factor).astype(np.complex64),
            probe=(refined_probe * factor).astype(np.complex64),
            refinement=tuple(epochs),
        )

    def _task(self, scan: Scan, start: Reconstruction, probe: Any) -> Any:
        options = self.api.LSQMLOptions()
        reconstructor, obj = options.reconstructor_options, options.object_options
        reconstructor.num_epochs = self.epochs
        reconstructor.batch_size = min(self.batch_size, scan.count)
        reconstructor.default_device = self.api.Devices.CPU if self.device == "cpu" else self.api.Devices.GPU
        reconstructor.random_seed = self.seed
        # Probe and object are on one scale already, and shall stay on it.
        reconstructor.rescale_probe_intensity_in_first_epoch = False
        obj.remove_object_probe_ambiguity.enabled = False
        obj.determine_position_origin_coords_by = self.api.ObjectPosOriginCoordsMethods.SPECIFIED
        # Its centre of a patch is the middle between first and last pixel, ours is half a pixel behind. The origin must
        # lie between pixels: it takes patches at whole positions, and shifts the probe by the rest.
        obj.position_origin_coords = (-0.5, -0.5)
        options.probe_options.optimizable = self.free_probe
        y, x = scan.positions.astype(np.float32).T
        # Its Fourier transform carries no factor 1/N; it wants intensities.
        intensities = np.square(scan.batch(slice(None)) * scan.pixels)
        good = None if scan.bad_pixels is None else ~scan.bad_pixels
        return import_module("ptychi.api.task").PtychographyTask(
            options,
            diffraction_data=intensities,
            object_data=start.object[np.newaxis],
            probe_data=probe[np.newaxis, np.newaxis],
            probe_position_x_px=x,
            probe_position_y_px=y,
            valid_pixel_mask=good,
        )


def build(
    *,
    epochs: Epochs = 10,
    batch_size: BatchSize = 16,
    probe: Probe = "fixed",
    seed: Seed = 0,
    device: Device = "auto",
) -> PtyChi:
    """LSQ-ML of pty-chi (Advanced Photon Source), with its own settings for all that is not named here.

    Raises InputError where pty-chi is not installed.
    """
    try:
        api = import_module("ptychi.api")
    except ImportError as error:
        raise InputError(
            f"refiner 'ptychi' needs pty-chi, which cannot be imported ({error}); install it in an environment of its "
            "own with pip install \"ptycho-iterative[ptychi]\", or use 'lsq_ml'."
        ) from error
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("refiner.device is 'cuda', but Torch finds no CUDA device; use 'auto' or 'cpu'.")
    return PtyChi(api, epochs, batch_size, probe == "free", seed, device)


def _residual(task: Any, scan: Scan) -> float:
    """Its loss of the last epoch, the mean of (a - A)^2 over the pixels with A scaled by N, as a residual.

    Bad pixels count with what stands in for them.
    """
    loss = float(task.reconstructor.loss_tracker.table["loss"].iloc[-1])
    energy = np.sum(np.square(scan.batch(slice(None)), dtype=np.float64))
    return loss * scan.count / float(energy)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """pty-chi sets Torch's default device and precision, and the seeds of three generators; they are put back."""
    device, precision = torch.get_default_device(), torch.get_default_dtype()
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_default_device(device)
        torch.set_default_dtype(precision)
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
