"""What a run would reconstruct with the weights of an epoch, for observers who want to see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ptycho_host.configured import ConfiguredComponent
from ptycho_host.contracts import Bundle, TrainingEngine
from ptycho_host.data.scan import Scan
from ptycho_host.processes import Processes
from ptycho_host.records import Preview
from ptycho_host.report.progress import SilentProgress
from ptycho_host.workflows.assembly import assemble


@dataclass(frozen=True, slots=True)
class Previews:
    """Reconstructs the `scan` of a run while it is trained, in this process alone and without a refiner."""

    engine: TrainingEngine
    stitcher: ConfiguredComponent
    scan: Scan

    @contextmanager
    def of(self, bundle: Callable[[], Bundle]) -> Iterator[Callable[[], Preview]]:
        """A function that makes the preview when it is called first; after the block `bundle` would be another one."""
        made: list[Preview] = []
        over = False

        def preview() -> Preview:
            if not made:
                if over:
                    raise RuntimeError("the epoch is over and its weights are gone; ask for a preview inside the hook.")
                made.append(self._made(bundle()))
            return made[0]

        try:
            yield preview
        finally:
            over = True

    def _made(self, bundle: Bundle) -> Preview:
        # Where several processes train together, the others wait for what the first one does here.
        alone, stitcher = Processes(), self.stitcher.build()
        assembly = assemble(self.engine, bundle, self.scan, stitcher, SilentProgress(), processes=alone)
        return Preview(self.scan, assembly.reconstruction)
