"""A finished run, opened from its directory: its settings, its figures, and its trained generator at work."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ptycho_host.config import ComponentChoice, RunConfig, resolve
from ptycho_host.configured import configure
from ptycho_host.contracts import Bundle, Progress, Reconstruction, TrainingEngine
from ptycho_host.data.scan import Scan
from ptycho_host.errors import BundleError, ConfigError
from ptycho_host.physics.bad_pixels import filled
from ptycho_host.plugins import Host
from ptycho_host.processes import Processes, processes_of
from ptycho_host.records import EpochReport
from ptycho_host.report.progress import SilentProgress
from ptycho_host.resolution import configure_engine
from ptycho_host.runs.bundle import load_bundle
from ptycho_host.runs.directory import RunDirectory
from ptycho_host.runs.history import read_history
from ptycho_host.workflows.assembly import Assembly, assemble
from ptycho_host.workflows.networks import run_directory
from ptycho_host.workflows.refine import configure_refiner
from ptycho_host.workflows.scans import load_scan


class Run:
    """A run directory and what can be done with it."""

    def __init__(
        self,
        directory: RunDirectory,
        host: Host,
        engine: TrainingEngine | None = None,
        settings: Iterable[str] = (),
    ) -> None:
        """`engine`: the one that it was trained with, if it is at hand. `settings`: `KEY=VALUE` over the run's own."""
        self.directory = directory
        self.host = host
        self._settings = tuple(settings)
        self._engine = engine

    @classmethod
    def open(cls, path: str | Path, *, host: Host | None = None, settings: Iterable[str] = ()) -> Run:
        """The run at `path`, or the trained network of that name, with `KEY=VALUE` settings instead of its own.

        Raises InputError when there is neither.
        """
        host = host or Host.discover()
        return cls(RunDirectory.open(run_directory(path, host)), host, settings=settings)

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @cached_property
    def config(self) -> RunConfig:
        """The resolved configuration."""
        return resolve(self.directory.config, settings=self._settings)

    @cached_property
    def bundle(self) -> Bundle:
        """The trained generator, with options of the settings instead of its own.

        Raises BundleError when training has not finished; weights that options do not fit are found when it predicts.
        """
        bundle = load_bundle(self.directory.bundle, self.host)
        trained, wanted = resolve(self.directory.config).generator, self.config.generator
        if wanted == trained:
            return bundle
        if wanted.name != trained.name:
            raise ConfigError(
                f"the run was trained with generator '{trained.name}' and cannot use '{wanted.name}'; train again."
            )
        own = bundle.generator
        configured = configure(self.host, "generator", own.chosen, wanted.options, own.component.backend)
        return replace(bundle, generator=configured)

    @property
    def history(self) -> list[EpochReport]:
        """One report an epoch."""
        return read_history(self.directory.history)

    @property
    def metrics(self) -> dict[str, Any]:
        """What `metrics.json` holds; raises BundleError when the run did not come that far."""
        try:
            metrics: dict[str, Any] = json.loads(self.directory.metrics.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BundleError(f"{self.path} has no metrics ({error}); did the run finish?") from error
        return metrics

    def engine(self) -> TrainingEngine:
        """The engine of the bundle's back-end, with the options of the run."""
        if self._engine is None:
            backend = self.bundle.generator.component.backend
            assert backend is not None
            built: TrainingEngine = configure_engine(self.host, self.config.engine, backend).build()
            self._engine = built
        return self._engine

    @property
    def processes(self) -> Processes:
        """The processes that reconstruct together: all get the object, the first one should speak and write."""
        return processes_of(self.engine())

    def reconstruct(
        self,
        scan: Scan | str | Path,
        *,
        stitch: ComponentChoice | str | None = None,
        refiner: ComponentChoice | str | Literal[False] | None = None,
        progress: Progress | None = None,
    ) -> Reconstruction:
        """The object of a scan, in one pass of the trained generator; on the scale of the scan's probe.

        stitch, refiner: instead of the run's own; False: no refiner, though the run has one.
        """
        scan = filled(scan) if isinstance(scan, Scan) else load_scan(scan, host=self.host)
        return self.assemble(scan, stitch=stitch, refiner=refiner, progress=progress).reconstruction

    def assemble(
        self,
        scan: Scan,
        *,
        stitch: ComponentChoice | str | None = None,
        refiner: ComponentChoice | str | Literal[False] | None = None,
        progress: Progress | None = None,
    ) -> Assembly:
        """As `reconstruct`, with the seconds of each step."""
        choice = ComponentChoice(name=stitch) if isinstance(stitch, str) else stitch or self.config.stitch
        stitcher = configure(self.host, "stitcher", choice.name, choice.options).build()
        wanted = self.config.refiner if refiner is None else refiner
        refine = configure_refiner(self.host, wanted).build() if wanted else None
        return assemble(self.engine(), self.bundle, scan, stitcher, progress or SilentProgress(), refine)
