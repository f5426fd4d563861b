"""The arms of a study: trainings side by side, each in a run directory of its own, none of them done twice."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from ptycho_host import Host, Run, RunConfig, resume, train
from ptycho_host.atomic import write_text
from ptycho_host.config import changes, from_table
from ptycho_host.contracts import Progress
from ptycho_host.errors import InputError, PtychoError, RunFailedError
from ptycho_host.report.progress import SilentProgress
from ptycho_host.runs.directory import RunDirectory
from ptycho_host.workflows.train import plan

THREAD_VARIABLES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@dataclass(frozen=True, slots=True)
class Arm:
    """One training: a name for the table, a run configuration (plain nested values), and its seed."""

    name: str
    config: Mapping[str, Any]
    seed: int = 0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][\w.+=-]*", self.name):
            raise InputError(f"an arm cannot be called '{self.name}': letters, digits and _ . + = - make a folder.")

    @property
    def label(self) -> str:
        """`name/seed0`: how tables of failures call it."""
        return f"{self.name}/seed{self.seed}"

    def place(self, folder: Path) -> Path:
        """Its run directory in the study's folder."""
        return folder / "arms" / self.name / f"seed{self.seed}"

    def planned(self, host: Host) -> RunConfig:
        """The resolved configuration, checked; raises InputError."""
        return from_table(plan(from_table({**self.config, "seed": self.seed}), host).as_table())


def run_arms(
    arms: Sequence[Arm],
    folder: Path,
    *,
    workers: int = 1,
    host: Host | None = None,
    progress: Progress | None = None,
) -> list[Run]:
    """Train every arm into `folder/arms/<name>/seed<seed>` and return the finished runs, in the order of the arms.

    A finished arm is kept, an interrupted one goes on from its last checkpoint. An arm whose training cannot go on is
    recorded (`failures`) and left out of the result. Several `workers` are processes of their own with one thread
    each, which find their plugins by themselves. Raises InputError, before anything is trained, for a configuration
    that does not hold or is not the one that an arm was begun with.
    """
    host = host or Host.discover()
    progress = progress or SilentProgress()
    labels = [arm.label for arm in arms]
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(f"two arms are called {label}; give each a name of its own.")
    for arm in arms:
        _refuse_changes(arm, folder, host)
    waiting = [arm for arm in arms if not _finished(arm.place(folder))]
    if len(waiting) < len(arms):
        progress.note(f"{len(arms) - len(waiting)} of {len(arms)} arms are there already")
    if workers == 1 or len(waiting) < 2:
        for number, arm in enumerate(waiting, start=1):
            progress.note(f"arm {number} of {len(waiting)}: {arm.label}")
            _train(arm, folder, host, progress)
    else:
        _train_side_by_side(waiting, folder, workers, progress)
    for label, why in failures(arms, folder).items():
        progress.note(f"{label} failed: {why}")
    return [Run.open(arm.place(folder), host=host) for arm in arms if _finished(arm.place(folder))]


def failures(arms: Sequence[Arm], folder: Path) -> dict[str, str]:
    """Why, by label, for the arms that could not be trained to their end."""
    told = {arm.label: _failure(arm, folder) for arm in arms}
    return {label: path.read_text(encoding="utf-8").strip() for label, path in told.items() if path.is_file()}


def train_arms(
    arms: Sequence[Arm], folder: Path, *, workers: int, host: Host, progress: Progress | None
) -> tuple[list[Run], dict[str, str]]:
    """What `run_arms` returns, and its `failures`; raises RunFailedError where no arm came to its end."""
    runs = run_arms(arms, folder, workers=workers, host=host, progress=progress)
    failed = failures(arms, folder)
    if not runs:
        why = "; ".join(f"{label}: {reason}" for label, reason in failed.items())
        raise RunFailedError(f"no arm of the study in {folder} could be trained ({why}).")
    return runs, failed


def _failure(arm: Arm, folder: Path) -> Path:
    return arm.place(folder).with_suffix(".failed.txt")


def _finished(place: Path) -> bool:
    """The report is what a run writes last."""
    return RunDirectory(place).report.is_file()


def _begun(place: Path) -> bool:
    """Whether there is enough to go on with: a run that was killed while it was being set up has nothing to lose."""
    return RunDirectory(place).config.is_file() and RunDirectory(place).environment.is_file()


def _refuse_changes(arm: Arm, folder: Path, host: Host) -> None:
    planned, place = arm.planned(host), arm.place(folder)
    if not _begun(place):
        return
    # Both by way of TOML, which knows no tuples.
    before = tomllib.loads(RunDirectory(place).config.read_text(encoding="utf-8"))
    found = changes(before, tomllib.loads(planned.as_toml()))
    if found:
        raise InputError(
            f"arm {arm.label} in {folder} was trained with other settings ({'; '.join(found)}); restore them, choose "
            f"another --out, or delete {place} to train it anew."
        )


def _train(arm: Arm, folder: Path, host: Host, progress: Progress) -> None:
    """Train or go on; a failure of the training is written down and not raised."""
    place, failed = arm.place(folder), _failure(arm, folder)
    with suppress(FileNotFoundError):
        failed.unlink()
    try:
        if _begun(place):
            resume(place, host=host, progress=progress)
        else:
            _clear(place)
            train(arm.planned(host), out=place, host=host, progress=progress)
    except InputError:
        raise
    except PtychoError as error:
        write_text(failed, f"{error}\n")


def _clear(place: Path) -> None:
    """Remove what a run leaves that was killed before its settings stood there; raises InputError for all else."""
    known = {"checkpoints", ".lock", "config.toml"}
    if not place.exists():
        return
    strange = [
        part.name for part in place.iterdir() if not (part.name in known or part.name.startswith(".config.toml"))
    ]
    if strange or any(place.glob("checkpoints/*")):
        raise InputError(f"{place} holds something that is no run; move it away, or choose another --out.")
    shutil.rmtree(place)


def _train_side_by_side(arms: Sequence[Arm], folder: Path, workers: int, progress: Progress) -> None:
    progress.start("training", len(arms), "arms")
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        tasks = {pool.submit(_in_worker, arm, folder): arm for arm in arms}
        try:
            for task in as_completed(tasks):
                task.result()
                progress.advance(1, last=tasks[task].label)
        except BrokenProcessPool as error:
            raise RunFailedError(
                f"a worker of the study in {folder} died (out of memory?); start the study again with fewer --workers, "
                "what is done is kept."
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    progress.finish()


def _one_thread() -> None:
    """In a fresh worker, before any tensor library is loaded: several would fight for the cores otherwise."""
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))


def _in_worker(arm: Arm, folder: Path) -> None:
    _train(arm, folder, Host.discover(), SilentProgress())
