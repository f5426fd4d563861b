"""What this distribution brings."""

from __future__ import annotations

from collections.abc import Sequence

from ptycho_host import hookimpl
from ptycho_host.components import Reader, Writer
from ptycho_host.records import EpochFinished, ReconstructionReady, RunStarted


@hookimpl
def ptycho_readers() -> Sequence[Reader]:
    """The three kinds of files that hold patterns."""
    return [
        Reader(
            "ptychodus",
            summary="Product and diffraction file of Ptychodus, or the folder of both.",
            target="ptycho_ptychodus.workspace:WorkspaceReader",
            suffixes=(".h5", ".hdf5"),
        ),
        Reader(
            "ptychodus-training",
            summary="Training data of Ptychodus in HDF5.",
            target="ptycho_ptychodus.training:TrainingReader",
            suffixes=(".h5", ".hdf5"),
        ),
        Reader(
            "ptychodus-npz",
            summary="What Ptychodus exports for PtychoPINN.",
            target="ptycho_ptychodus.export:ExportReader",
            suffixes=(".npz",),
        ),
    ]


@hookimpl
def ptycho_writers() -> Sequence[Writer]:
    """The same; choose them by name, because the suffixes are those of the native formats."""
    return [
        Writer(
            "ptychodus",
            summary="A folder with diffraction.h5 and product.h5 for Ptychodus.",
            target="ptycho_ptychodus.workspace:WorkspaceWriter",
            suffixes=(".ptychodus",),
        ),
        Writer(
            "ptychodus-training",
            summary="Training data for Ptychodus in HDF5.",
            target="ptycho_ptychodus.training:TrainingWriter",
            suffixes=(".h5", ".hdf5"),
        ),
        Writer(
            "ptychodus-npz",
            summary="As Ptychodus exports it for PtychoPINN.",
            target="ptycho_ptychodus.export:ExportWriter",
            suffixes=(".npz",),
        ),
    ]


@hookimpl
def ptycho_run_started(record: RunStarted) -> None:
    """Look at `[observers.ptychodus]` now, so that a mistake there is told before the run and not after it."""
    from ptycho_ptychodus.observer import observer_of

    observer_of(record.config.get("observers", {}))


@hookimpl
def ptycho_epoch_finished(record: EpochFinished) -> None:
    """Write a product of the epoch, if `[observers.ptychodus]` wants one."""
    from ptycho_ptychodus.observer import observer_in

    observer = observer_in(record.directory)
    if observer is not None:
        observer.epoch_finished(record)


@hookimpl
def ptycho_reconstruction_ready(record: ReconstructionReady) -> None:
    """Write the product where `[observers.ptychodus]` wants it."""
    from ptycho_ptychodus.observer import observer_in

    observer = observer_in(record.directory)
    if observer is not None:
        observer.reconstruction_ready(record)
