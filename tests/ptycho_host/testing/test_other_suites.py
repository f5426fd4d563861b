"""The suites of data sets, commands, observers and refiners pass sound ones, and find each defect."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import numpy as np
import pytest
import typer

from ptycho_host.contracts import Progress, Reconstruction
from ptycho_host.data.scan import Scan
from ptycho_host.physics.far_field import far_field, inverse_far_field
from ptycho_host.physics.patches import extract_patches, place_patches
from ptycho_host.plugins import Host
from ptycho_host.records import EpochFinished, ReconstructionReady, RunFinished, RunStarted
from ptycho_host.testing import CommandConformance, DatasetConformance, ObserverConformance, RefinerConformance
from ptycho_host.testing.observers import Observed
from ptycho_host.testing.scans import simulated_scan

# --- data sets -------------------------------------------------------------------------------------------------

DATASET_CHECKS = ["test_scan_is_valid", "test_scan_is_the_same_each_time"]


@pytest.mark.parametrize("check", DATASET_CHECKS)
def test_a_sound_dataset_passes(trial: Callable[..., Any], check: str) -> None:
    trial(DatasetConformance, lambda: lambda: simulated_scan(16)).check(check)


def shifted(by: float) -> Scan:
    scan = simulated_scan(16)
    return replace(scan, positions=scan.positions + by)


@pytest.mark.parametrize(
    ("read", "check", "sentence"),
    [
        (lambda: shifted(40), DATASET_CHECKS[0], r"breaks the contract of scans: .*outside"),
        (lambda: replace(simulated_scan(16), name=" "), DATASET_CHECKS[0], r"gives its scan no name"),
        (lambda: None, DATASET_CHECKS[0], r"returns NoneType where a Scan is due"),
        (lambda: shifted(np.random.default_rng().uniform(0, 0.1)), DATASET_CHECKS[1], r"another scan each time"),
    ],
)
def test_a_defect_of_a_dataset_is_found(
    trial: Callable[..., Any], read: Callable[[], Any], check: str, sentence: str
) -> None:
    with pytest.raises(AssertionError, match=sentence):
        trial(DatasetConformance, lambda: read).check(check)


def test_a_dataset_is_found_from_any_folder(
    trial: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here.txt").touch()

    def beside_the_caller() -> Scan:
        Path("here.txt").read_text(encoding="utf-8")
        return simulated_scan(16)

    lab = trial(DatasetConformance, lambda: beside_the_caller)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(AssertionError, match=r"fails to be read in another folder: .*FileNotFoundError"):
        lab.suite.test_name_is_enough(lab.host, lab.component(), elsewhere, monkeypatch)
    sound = trial(DatasetConformance, lambda: lambda: simulated_scan(16))
    sound.suite.test_name_is_enough(sound.host, sound.component(), elsewhere, monkeypatch)


# --- commands --------------------------------------------------------------------------------------------------

COMMANDS = """
from ptycho_host import hookimpl
from ptycho_host.components import Command

@hookimpl
def ptycho_commands():
    return [
        Command(name, summary="Try a command.", target=f"lab_commands.plugin:{name}")
        for name in ("sound", "noisy", "crashing")
    ]

def sound() -> None:
    "Try a command."

import sys

def noisy() -> None:
    "Try a command."

if "noisy" in sys.argv:
    sys.stderr.write("lab_commands was here")

crashing = 3
"""


def test_commands_are_tried_as_programs(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(install("lab-commands", COMMANDS)))
    host = Host.discover()

    def check(name: str, test: str) -> None:
        suite = type("TestLab", (CommandConformance,), {"name": name})()
        folder = tmp_path / f"{name}-{test}"
        folder.mkdir()
        getattr(suite, test)(host.find("command", name), folder)

    check("sound", "test_help_is_shown")
    check("sound", "test_command_is_listed")
    check("sound", "test_unknown_options_are_refused")
    with pytest.raises(AssertionError, match=r"fails to show its help: exit code \d, '.*lab_commands was here"):
        check("noisy", "test_help_is_shown")
    with pytest.raises(AssertionError, match=r"fails to show its help: exit code 2"):
        check("crashing", "test_help_is_shown")


def test_parameters_of_commands_are_documented(trial: Callable[..., Any]) -> None:
    def bare(path: Path, loud: bool = False) -> None:
        """Try a command."""

    def told(path: Annotated[Path, typer.Argument(help="A file.")]) -> None:
        """Try a command."""

    def strange(value: int | str) -> None:
        """Try a command."""

    # What Typer reads must be found in a module, so annotations are given as objects.
    bare.__annotations__ = {"path": Path, "loud": bool, "return": None}
    strange.__annotations__ = {"value": int | str, "return": None}
    told.__annotations__ = {"path": Annotated[Path, typer.Argument(help="A file.")], "return": None}
    with pytest.raises(AssertionError, match="does not describe 'loud', 'path'"):
        trial(CommandConformance, bare).check("test_parameters_are_documented")
    trial(CommandConformance, told).check("test_parameters_are_documented")
    with pytest.raises(AssertionError, match="its target must be a function for Typer"):
        trial(CommandConformance, strange).check("test_parameters_are_documented")


# --- observers -------------------------------------------------------------------------------------------------

OBSERVER_CHECKS = [name for name in dir(ObserverConformance) if name.startswith("test_")]


def observe(make_plugin: Callable[..., ModuleType], check: str, folder: Path, **hooks: Callable[..., None]) -> None:
    """Run a check of the suite on an observer with these hooks."""
    suite = type("TestLab", (ObserverConformance,), {"plugin": "lab"})()
    observed = Observed("lab", Host([make_plugin("lab", **hooks)]))
    outcome = {"outcome": "done"} if check == "test_every_record_is_taken" else {}
    getattr(suite, check)(observed, tmp_path=folder, **outcome)


@pytest.mark.parametrize("check", OBSERVER_CHECKS)
def test_a_sound_observer_passes(make_plugin: Callable[..., ModuleType], check: str, tmp_path: Path) -> None:
    told: list[str] = []

    def started(record: RunStarted) -> None:
        (record.directory / "lab.txt").write_text(json.dumps(dict(record.config)), encoding="utf-8")
        told.append("started")

    def epoch(record: EpochFinished) -> None:
        told.append(f"epoch {record.report.epoch} {record.preview().reconstruction.phase.shape}")

    def ready(record: ReconstructionReady) -> None:
        told.append(f"ready {record.reconstruction.amplitude.shape}")

    def finished(record: RunFinished) -> None:
        told.append(record.outcome)

    observe(
        make_plugin,
        check,
        tmp_path,
        ptycho_run_started=started,
        ptycho_epoch_finished=epoch,
        ptycho_reconstruction_ready=ready,
        ptycho_run_finished=finished,
    )
    if check == "test_every_record_is_taken":
        assert told == ["started", *(f"epoch {number} (24, 24)" for number in (1, 2, 3)), "ready (24, 24)", "done"]


def needs_a_validation_loss(record: EpochFinished) -> None:
    assert f"{record.report.validation_loss:.3f}"


def remembers_one_start(record: RunStarted) -> None:
    (record.directory / "lab").mkdir()


def scales_the_object(record: ReconstructionReady) -> None:
    record.reconstruction.object[:] *= 2


def scales_the_preview(record: EpochFinished) -> None:
    record.preview().reconstruction.object[:] *= 2


def adds_a_metric(record: ReconstructionReady) -> None:
    record.metrics["lab"] = 1  # type: ignore[index]


def rewrites_the_history(record: RunFinished) -> None:
    (record.directory / "history.jsonl").write_text("", encoding="utf-8")


@pytest.mark.parametrize(
    ("hook", "observer", "check", "sentence"),
    [
        ("ptycho_epoch_finished", needs_a_validation_loss, OBSERVER_CHECKS[1], r"fails on EpochFinished"),
        ("ptycho_run_started", remembers_one_start, OBSERVER_CHECKS[0], r"fails on RunStarted: .*FileExistsError"),
        ("ptycho_reconstruction_ready", scales_the_object, OBSERVER_CHECKS[2], r"changes ReconstructionReady"),
        ("ptycho_epoch_finished", scales_the_preview, OBSERVER_CHECKS[2], r"changes EpochFinished"),
        ("ptycho_reconstruction_ready", adds_a_metric, OBSERVER_CHECKS[2], r"changes ReconstructionReady"),
        ("ptycho_run_finished", rewrites_the_history, OBSERVER_CHECKS[3], r"changes files that the run wrote"),
    ],
)
def test_a_defect_of_an_observer_is_found(
    make_plugin: Callable[..., ModuleType], hook: str, observer: Any, check: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match=sentence):
        observe(make_plugin, check, tmp_path, **{hook: observer})


# --- refiners --------------------------------------------------------------------------------------------------

REFINER_CHECKS = [
    name
    for name in dir(RefinerConformance)
    if name.startswith("test_") and name != "test_listing_imports_nothing_heavy"
]


def epie(scan: Scan, start: Reconstruction, progress: Progress) -> Reconstruction:
    """Three rounds of the ePIE object update, a pattern at a time."""
    obj = start.object.astype(np.complex64)
    largest = np.max(np.abs(scan.probe) ** 2)
    for index in np.tile(np.arange(scan.count), 3):
        position, measured = scan.positions[[index]], scan.batch(np.array([index]))
        wave = extract_patches(obj, position, scan.pixels) * scan.probe
        detector = far_field(wave)
        corrected = inverse_far_field(measured * np.exp(1j * np.angle(detector)))
        place_patches(obj, (np.conj(scan.probe) * (corrected - wave) / largest).astype(np.complex64), position)
    return Reconstruction(obj, start.coverage)


@pytest.mark.parametrize("check", REFINER_CHECKS)
def test_a_sound_refiner_passes(trial: Callable[..., Any], check: str) -> None:
    trial(RefinerConformance, lambda: epie).check(check)


def does_nothing(scan: Scan, start: Reconstruction, progress: Progress) -> Reconstruction:
    return start


def in_other_units(scan: Scan, start: Reconstruction, progress: Progress) -> Reconstruction:
    result = epie(scan, start, progress)
    return replace(result, object=result.object * np.float32(1.5))


def double(scan: Scan, start: Reconstruction, progress: Progress) -> Reconstruction:
    result = epie(scan, start, progress)
    return replace(result, object=result.object.astype(np.complex128))  # type: ignore[arg-type]


def counts_coverage(scan: Scan, start: Reconstruction, progress: Progress) -> Reconstruction:
    return replace(epie(scan, start, progress), coverage=start.coverage * 9)


def in_place(scan: Scan, start: Reconstruction, progress: Progress) -> Reconstruction:
    result = epie(scan, start, progress)
    start.object[:] = result.object
    return result


def random_order(scan: Scan, start: Reconstruction, progress: Progress) -> Reconstruction:
    return epie(scan.subset(np.random.default_rng().permutation(scan.count)[:20]), start, progress)


def wants_an_array(scan: Scan, start: Reconstruction, progress: Progress) -> Reconstruction:
    scan.amplitudes.sum()  # type: ignore[attr-defined]
    return epie(scan, start, progress)


@pytest.mark.parametrize(
    ("refine", "check", "sentence"),
    [
        (does_nothing, "test_patterns_are_explained_better", r"takes the residual of the patterns from"),
        (in_other_units, "test_truth_is_not_spoilt", r"on the physical scale"),
        (double, "test_object_and_coverage_keep_their_form", r"complex128"),
        (counts_coverage, "test_object_and_coverage_keep_their_form", r"coverage from 9 to 9"),
        (in_place, "test_arguments_are_left_alone", r"changes the scan or the start in place"),
        (random_order, "test_result_repeats", r"seed what is random"),
        (wants_an_array, "test_patterns_may_lie_on_disk", r"fails to refine: AttributeError"),
    ],
)
def test_a_defect_of_a_refiner_is_found(trial: Callable[..., Any], refine: Any, check: str, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as failure:
        trial(RefinerConformance, lambda: refine).check(check)
    assert str(failure.value).startswith("refiner 'lab' (lab) ")
