"""`[observers.ptychodus]`: the product of a run, written where Ptychodus is looking for it, also on the way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ptycho_host.atomic import write_bytes
from ptycho_host.config import resolve
from ptycho_host.options import OptionSchema
from ptycho_host.records import EpochFinished, ReconstructionReady
from ptycho_host.runs.directory import RunDirectory
from ptycho_host.runs.history import read_history
from ptycho_host.runs.product import write_product

NAME = "ptychodus"


class ProductObserver:
    """Writes the product, with the losses of all epochs so far, as soon as there is one; an older one is replaced."""

    def __init__(
        self,
        *,
        product: Annotated[Path, Field(description="product file to write; an existing one is replaced")],
        every: Annotated[
            int, Field(ge=0, description="epochs from one product to the next; 0: only the run's own, at its end")
        ] = 0,
    ) -> None:
        """The settings of `[observers.ptychodus]`."""
        self._product = product
        self._every = every

    def epoch_finished(self, record: EpochFinished) -> None:
        """What the network makes of the scan so far; raises RunFailedError when the file cannot be written."""
        if self._every and record.report.epoch % self._every == 0:
            preview = record.preview()
            history = read_history(RunDirectory(record.directory).history)
            write_product(self._product, preview.reconstruction, preview.scan, history)

    def reconstruction_ready(self, record: ReconstructionReady) -> None:
        """Raises RunFailedError when the file cannot be written."""
        write_bytes(self._product, record.path.read_bytes())


def observer_of(settings: Mapping[str, Any]) -> ProductObserver | None:
    """The observer that `observers` of a configuration asks for, if it does; raises OptionError for bad settings."""
    if NAME not in settings:
        return None
    options = OptionSchema(ProductObserver, f"observer '{NAME}'").validate(settings[NAME])
    return ProductObserver(**dict(options))


def observer_in(directory: Path) -> ProductObserver | None:
    """The same, for the run in a directory."""
    return observer_of(resolve(RunDirectory(directory).config).observers)
