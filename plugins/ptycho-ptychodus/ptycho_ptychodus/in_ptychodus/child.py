"""The process that computes for Ptychodus: takes a request, answers over a queue, and is gone afterwards.

Answers are tagged as `ptychodus.model.processing.subprocess_reconstructor` reads them; log records travel by
themselves.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import h5py
from ptychodus.api.product import LossValue
from ptychodus.api.reconstruct import ReconstructOutput, TrainOutput
from ptychodus.model.processing.subprocess_reconstructor import TAG_MODEL_SAVED, TAG_OUTPUT, TAG_TRAIN_OUTPUT

from ptycho_host import Host, hookimpl
from ptycho_host.config import ComponentChoice, resolve
from ptycho_host.errors import DataError, InputError
from ptycho_host.metrics.diffraction import diffraction_agreement
from ptycho_host.physics.bad_pixels import filled
from ptycho_host.records import EpochFinished
from ptycho_host.report.progress import SilentProgress
from ptycho_host.workflows.run import Run
from ptycho_host.workflows.train import train as train_run
from ptycho_ptychodus.in_ptychodus.conversion import mean_probe, product_of, scan_of, what_is_used
from ptycho_ptychodus.in_ptychodus.requests import ReconstructRequest, TrainRequest
from ptycho_ptychodus.model_file import SUFFIX, opened_model, write_model
from ptycho_ptychodus.relaxation import OPR_WEIGHTS, MeanProbe
from ptycho_ptychodus.workspace import DIFFRACTION, PRODUCT

logger = logging.getLogger("ptycho-host")

Put = Callable[[tuple[str, Any]], None]


def reconstruct(request: ReconstructRequest, queue: Queue[Any]) -> None:
    """One pass of the trained generator; puts one output with the product."""
    logging.captureWarnings(True)
    given = request.parameters.product
    notes = what_is_used(mean_probe(given), request.probe_mode, given.object_.num_layers)
    scan, low = scan_of(request.parameters, request.probe_mode)
    scan = filled(scan)
    with opened_model(request.model) as folder:
        run = Run.open(folder)
        run.config = _on_device(run, request.device)
        found = run.reconstruct(scan, stitch=request.stitch, progress=LoggedProgress())
        history = run.history
    agreement = diffraction_agreement(found.object, scan).correlation
    notes += [*found.notes, f"Its patterns correlate {agreement:.4f} with the measured."]
    for note in notes:
        logger.info(note)
    comment = " ".join(["Reconstructed by ptycho-host.", *notes])
    product = product_of(request.parameters, found, low, history, comment)
    queue.put((TAG_OUTPUT, pickle.dumps(ReconstructOutput(product, progress=1))))


def train(request: TrainRequest, queue: Queue[Any]) -> None:
    """Train into a run directory; puts one output an epoch, and the path of the model file at the end."""
    logging.captureWarnings(True)
    source = training_data(request.input_path)
    for note in _said_of(source, request.probe_mode):
        logger.info(note)
    data = {"data": {"source": str(source), "reader": {"mode": request.probe_mode}}}
    config = resolve(flags={**request.flags, **data}, settings=request.further)
    host = Host.discover()
    host.add(LossReporter(queue.put))
    directory = _free(request.output_path / "run")
    run = train_run(config, out=directory, host=host, progress=LoggedProgress())
    model = request.output_path / f"model{SUFFIX}"
    write_model(run.directory, model)
    logger.info("Trained: %s for Ptychodus, report and figures in %s.", model, directory)
    queue.put((TAG_MODEL_SAVED, str(model)))


class LossReporter:
    """Observes a run and puts the losses of all epochs so far, after each of them."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._training: dict[int, float] = {}
        self._validation: dict[int, float] = {}

    @hookimpl
    def ptycho_epoch_finished(self, record: EpochFinished) -> None:
        """An epoch that is done again replaces what was told of it."""
        report = record.report
        self._training[report.epoch] = report.training_loss
        if report.validation_loss is not None:
            self._validation[report.epoch] = report.validation_loss
        losses = [[LossValue(*item) for item in values.items()] for values in (self._training, self._validation)]
        logger.info("epoch %d: loss %.5g", report.epoch, report.training_loss)
        self._put((TAG_TRAIN_OUTPUT, pickle.dumps(TrainOutput(*losses, progress=report.epoch))))


class LoggedProgress(SilentProgress):
    """What a user must see goes to Ptychodus's log; its bars count epochs and products."""

    def note(self, message: str) -> None:
        """One line of the log."""
        logger.warning(message)


def training_data(folder: Path) -> Path:
    """What to train on: a folder as `ptychodus -b` takes it, else the one file of training data that is there.

    Raises DataError when there is none, or more than one.
    """
    if (folder / DIFFRACTION).is_file() and (folder / PRODUCT).is_file():
        return folder
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".h5", ".hdf5", ".npz"))
    if len(found) != 1:
        raise DataError(
            f"{folder} holds {len(found)} files that may be training data; export one into an empty folder, or put "
            f"{DIFFRACTION} and {PRODUCT} there."
        )
    return found[0]


def _said_of(source: Path, mode: int) -> list[str]:
    product = source / PRODUCT if source.is_dir() else source
    if not h5py.is_hdf5(product):
        return []
    with h5py.File(product) as file:
        layers = file["object"].shape[0] if file["object"].ndim == 3 else 1
        weights = file[OPR_WEIGHTS][()] if OPR_WEIGHTS in file else None
        return what_is_used(MeanProbe.of(file["probe"][()], weights), mode, layers)


def _on_device(run: Run, device: str) -> Any:
    """The run's configuration, with the engine on the device that the settings name."""
    engine = run.config.engine or ComponentChoice(name="")
    options = {**engine.options, "device": device}
    return run.config.model_copy(update={"engine": engine.model_copy(update={"options": options})})


def _free(path: Path) -> Path:
    """The path, or the next of `run-2`, `run-3` and so on that nothing has taken."""
    number, chosen = 1, path
    while chosen.exists():
        number += 1
        chosen = path.with_name(f"{path.name}-{number}")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}; make it first.")
    return chosen
