"""Conformance of observers of a run."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ptycho_host.config import RunConfig
from ptycho_host.contracts import Reconstruction
from ptycho_host.plugins import Host
from ptycho_host.records import EpochFinished, EpochReport, Preview, ReconstructionReady, RunFinished, RunStarted
from ptycho_host.runs.directory import RunDirectory
from ptycho_host.testing.scans import simulated_scan

CONTRACT = "ptycho_host.hookspecs, observers"


class ObserverConformance:
    """An observer keeps its contract: it takes every record of any run, and leaves run and records alone.

    plugin: the module with the hooks, as the entry point names it: "mynet.plugin".
    """

    plugin: ClassVar[str]

    @pytest.fixture
    def observed(self) -> Observed:
        """The observer, alone in its host."""
        return Observed(self.plugin, Host([import_module(self.plugin)]))

    @pytest.mark.parametrize("outcome", ["done", "failed", "interrupted"])
    def test_every_record_is_taken(self, observed: Observed, outcome: str, tmp_path: Path) -> None:
        """The records of a run in their order, whether it ends well, fails before its first epoch or is interrupted."""
        observed.tell(_records(_run_directory(tmp_path), outcome))

    def test_a_run_that_goes_on_is_taken(self, observed: Observed, tmp_path: Path) -> None:
        """After an interruption the same directory starts again, and another run follows."""
        directory = _run_directory(tmp_path / "first")
        observed.tell(_records(directory, "interrupted"))
        observed.tell(_records(directory, "done"))
        observed.tell(_records(_run_directory(tmp_path / "second"), "done"))

    def test_records_are_left_alone(self, observed: Observed, tmp_path: Path) -> None:
        """Other observers get the same arrays and tables."""
        records = list(_records(_run_directory(tmp_path), "done"))
        before = copy.deepcopy(records)
        observed.tell(iter(records))
        for now, then in zip(records, before, strict=True):
            if not _same(now, then):
                raise AssertionError(f"observer '{self.plugin}' changes {type(now).__name__} (see {CONTRACT}).")

    def test_the_runs_own_files_are_left_alone(self, observed: Observed, tmp_path: Path) -> None:
        """An observer may add files to the run directory; those of the run are not its own."""
        directory = _run_directory(tmp_path)
        before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
        observed.tell(_records(directory, "done"))
        if any(not path.is_file() or path.read_bytes() != content for path, content in before.items()):
            raise AssertionError(f"observer '{self.plugin}' changes files that the run wrote (see {CONTRACT}).")


@dataclass(frozen=True, slots=True)
class Observed:
    """An observer by the name of its module, and the host that tells it about runs."""

    plugin: str
    host: Host

    def tell(self, records: Iterator[object]) -> None:
        """Hand the records over as a run does; fails when the observer does, which a run would only warn of."""
        __tracebackhide__ = True
        for record in records:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                self.host.notify(record)
            if caught:
                raise AssertionError(
                    f"observer '{self.plugin}' fails on {type(record).__name__}: {caught[0].message} (see {CONTRACT})."
                )


def _run_directory(folder: Path) -> Path:
    """A run directory with the files that are there when a run ends."""
    directory = RunDirectory.create(folder / "run", "tiny")
    directory.config.write_text(RunConfig().as_toml(), encoding="utf-8")
    directory.history.write_text("{}\n", encoding="utf-8")
    directory.reconstruction.write_bytes(b"object")
    return directory.path


def _records(directory: Path, outcome: Any) -> Iterator[object]:
    yield RunStarted(directory, RunConfig().as_table())
    for epoch in range(1, {"done": 3, "failed": 0, "interrupted": 2}[outcome] + 1):
        yield EpochFinished(directory, _report(epoch), _Given(Preview(simulated_scan(16), _reconstruction())))
    if outcome == "done":
        # Without a truth there are no figures against it, and what is not defined is null.
        metrics = {"diffraction": {"correlation": 0.98, "r_factor": None}, "training": {"epochs": 3}}
        yield ReconstructionReady(directory, directory / "reconstruction.h5", _reconstruction(), metrics)
    yield RunFinished(directory, outcome, "" if outcome == "done" else "a reason")


def _reconstruction() -> Reconstruction:
    truth = simulated_scan(16).truth
    assert truth is not None
    return Reconstruction(truth, np.ones(truth.shape, np.float32), ("a note",))


def _report(epoch: int) -> EpochReport:
    return EpochReport(
        epoch=epoch,
        training_loss=1 / epoch,
        validation_loss=None if epoch == 1 else 1.1 / epoch,
        learning_rate=1e-3,
        gradient_norm=0.5,
        clipped=0.25,
        seconds=0.1,
        patterns_per_second=250.0,
        collapsed=False,
    )


@dataclass(frozen=True, slots=True)
class _Given:
    """A preview that is there already."""

    preview: Preview

    def __call__(self) -> Preview:
        return self.preview


def _same(now: Any, then: Any) -> bool:
    match now:
        case ReconstructionReady():
            return _same_arrays(now.reconstruction, then.reconstruction) and bool(now.metrics == then.metrics)
        case EpochFinished():
            first, second = now.preview(), then.preview()
            same_scan = first.scan.fingerprint() == second.scan.fingerprint()
            return same_scan and _same_arrays(first.reconstruction, second.reconstruction) and bool(now == then)
        case _:
            return bool(now == then)


def _same_arrays(now: Reconstruction, then: Reconstruction) -> bool:
    return np.array_equal(now.object, then.object) and np.array_equal(now.coverage, then.coverage)
