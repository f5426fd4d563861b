"""Random `kill -9` in trainings and in every kind of write: what is left, and whether going on gives the same result.

Half of the trainings are killed at a random moment, the others while a certain file is being written: every kind of
file that a run writes in turn, at a random moment of its writing. Each is resumed, or started anew where nothing was
there to go on with, and compared bit by bit with a training that nobody disturbed. The writers of scans are killed
while they replace a file: it must be the old one, byte for byte, or the new scan, and writing again must give it.

Every `ptycho` is a process of its own, forked from one that has done the imports, with one thread. Results are
written after each case; started again, this goes on with what is missing.

    python benchmarks/crash.py --kills 50 --writes 3
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from shutil import copyfile, rmtree
from threading import Timer
from typing import Any

import h5py
import numpy as np
from measuring import RESULTS, write_results
from safetensors.numpy import load_file

SEED = 20261125
EPOCHS = 4
TRAINING = (
    "train --simulate lines --set simulator.size=96 --set simulator.pixels=32 --set generator.width=6 "
    f"--set generator.modes=4 --set train.epochs={EPOCHS} --set train.checkpoint_interval=0 --set engine.threads=1 "
    "--set engine.device=cpu --out run"
).split()
WRITERS = {
    "npz": "npz",
    "ptychopinn": "npz",
    "ptychodus-npz": "npz",
    "hdf5": "h5",
    "ptychodus-training": "h5",
    "cxi": "cxi",
    "mat": "mat",
}
"""Writers of scans that write one file, and its suffix."""
IMPORTS = ["torch", "ptycho_host.cli.train", "ptycho_host.workflows.train", "ptycho_torch.engine", "matplotlib.pyplot"]


@dataclass(frozen=True)
class Kill:
    """After how many seconds a process kills itself, counted from the start of its write `write`, or from its own."""

    seconds: float
    write: int | None = None


@dataclass(frozen=True)
class Write:
    """A file that took its place, or was about to: seconds since the process started."""

    name: str
    begun: float
    done: float | None

    @property
    def kind(self) -> str:
        return "figures" if self.name.endswith(".png") else self.name


def ptycho(arguments: list[str], folder: Path, kill: Kill | None) -> None:
    """In a process of its own: the command line in `folder`, with a line in `writes` when a write begins or ends."""
    os.chdir(folder)
    log = os.open("writes", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    started, begun = time.perf_counter(), 0

    def note(what: str, name: str) -> None:
        os.write(log, f"{time.perf_counter() - started:.6f} {what} {name}\n".encode())

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    # All writes of a run begin with a temporary file beside the old one and end as it takes its place.
    make, replace = tempfile.mkstemp, Path.replace

    def making(*positional: Any, **named: Any) -> tuple[int, str]:
        nonlocal begun
        note("begin", named["prefix"].strip("."))
        if kill is not None and kill.write == begun:
            Timer(kill.seconds, die).start()
        begun += 1
        return make(*positional, **named)

    def replacing(path: Path, target: Path) -> Path:
        result = replace(path, target)
        note("end", Path(target).name)
        return result

    tempfile.mkstemp, Path.replace = making, replacing  # type: ignore[assignment, method-assign]
    if kill is not None and kill.write is None:
        timer = Timer(kill.seconds, die)
        timer.daemon = True
        timer.start()
    from ptycho_host.cli.app import main

    sys.argv = ["ptycho", *arguments]
    with Path("output").open("w") as output, redirect_stdout(output), redirect_stderr(output):
        try:
            main()
        finally:
            note("end", "process")


def run(arguments: list[str], folder: Path, kill: Kill | None = None) -> int:
    """The exit code, -9 for a process that was killed; raises TimeoutError for one that does not end."""
    process = get_context("forkserver").Process(target=ptycho, args=(arguments, folder, kill))
    process.start()
    process.join(300)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"ptycho {' '.join(arguments)} does not end")
    return process.exitcode


def writes(folder: Path) -> tuple[list[Write], float]:
    """The writes of the last process in `folder`, and when it ended as far as is known."""
    found: list[Write] = []
    seconds = 0.0
    for line in (folder / "writes").read_text().splitlines():
        moment, what, name = line.split(" ", 2)
        seconds = float(moment)
        if what == "begin":
            found.append(Write(name, seconds, None))
        elif found and found[-1].name == name:
            found[-1] = Write(name, found[-1].begun, seconds)
    return found, seconds


def at_work_on(found: list[Write]) -> str:
    """What a process was doing, after the writes it had made so far."""
    if found and found[-1].done is None:
        return f"writing {found[-1].kind}"
    done = {write.kind for write in found}
    if "environment.json" not in done:
        return "reading the scan"
    if "weights.safetensors" not in done:
        return "training"
    return "reconstructing" if "metrics.json" not in done else "reporting"


def finished(folder: Path) -> str:
    """Go on with the run, or start anew where there is nothing to go on with; returns which it was."""
    if run(["train", "--resume", "run"], folder) == 0:
        return "resumed"
    told = (folder / "output").read_text()
    if (folder / "run" / "environment.json").exists() or "Traceback" in told:
        raise AssertionError(f"a run that had begun was not resumed: {told}")
    if (folder / "run").exists():
        (folder / "run").rename(folder / "begun")
    if run(TRAINING, folder) != 0:
        raise AssertionError((folder / "output").read_text())
    return "started anew"


def result(folder: Path) -> dict[str, Any]:
    """What must be the same to the last bit."""
    place = folder / "run"
    with h5py.File(place / "reconstruction.h5") as product:
        arrays = {f"product {name}": product[name][()] for name in product}
    weights = {f"weight {name}": array for name, array in load_file(place / "bundle" / "weights.safetensors").items()}
    history = [json.loads(line) for line in (place / "history.jsonl").read_text().splitlines()]
    metrics = json.loads((place / "metrics.json").read_text())
    return {
        **arrays,
        **weights,
        "epochs": np.array([line["epoch"] for line in history]),
        "losses": np.array([line["training_loss"] for line in history]),
        **{name: np.array(json.dumps(metrics[name])) for name in ("amplitude", "phase", "diffraction")},
    }


def differing(found: dict[str, Any], due: dict[str, Any]) -> list[str]:
    names = sorted(found.keys() ^ due.keys())
    for name in found.keys() & due.keys():
        same = found[name].dtype == due[name].dtype and found[name].shape == due[name].shape
        if not same or found[name].tobytes() != due[name].tobytes():
            names.append(name)
    return names


def trainings(folder: Path, numbers: range) -> Iterator[dict[str, Any]]:
    """Killed, resumed and compared; every other one while it writes, each kind of file in turn."""
    whole = folder / "whole"
    whole.mkdir()
    if run(TRAINING, whole) != 0:
        raise AssertionError((whole / "output").read_text())
    made, seconds = writes(whole)
    due = result(whole)
    kinds = list(dict.fromkeys(write.kind for write in made))
    for number in numbers:
        draw = np.random.default_rng([SEED, number])
        place = folder / f"training_{number}"
        # What was done before its moment came draws another one.
        while True:
            place.mkdir()
            if run(TRAINING, place, moment(number, made, kinds, seconds, draw)) == -signal.SIGKILL:
                break
            rmtree(place)
        doing = at_work_on(writes(place)[0])
        went_on = finished(place)
        yield {"number": number, "killed": doing, "then": went_on, "differing": differing(result(place), due)}


def moment(number: int, made: list[Write], kinds: list[str], seconds: float, draw: np.random.Generator) -> Kill:
    """When training `number` dies."""
    if number % 2 == 0:
        return Kill(draw.uniform(0, seconds))
    kind = kinds[number // 2 % len(kinds)]
    write = int(draw.choice([index for index, write in enumerate(made) if write.kind == kind]))
    ended = made[write].done
    assert ended is not None
    return Kill(draw.uniform(0, ended - made[write].begun), write)


def scans(folder: Path, kills: int, writers: list[str]) -> Iterator[dict[str, Any]]:
    """Writers of scans killed as they replace a file."""
    from ptycho_host import load_scan, simulate
    from ptycho_host.workflows.scans import write_scan

    scan = simulate("lines", {"size": 160, "pixels": 32}, seed=1)
    write_scan(scan, folder / "scan.h5")
    write_scan(scan.subset(np.arange(scan.count // 2)), folder / "half.h5")
    for writer in writers:
        draw = np.random.default_rng([SEED, *writer.encode()])
        place = folder / writer
        place.mkdir()
        old, out = place / f"old.{WRITERS[writer]}", place / f"out.{WRITERS[writer]}"
        convert = ["convert", "--writer", writer, "--force"]
        new = [*convert, str(folder / "scan.h5"), out.name]
        for arguments in ([*convert, str(folder / "half.h5"), old.name], new):
            if run(arguments, place) != 0:
                raise AssertionError((place / "output").read_text())
        (write,), _ = writes(place)
        assert write.done is not None
        due = load_scan(out).fingerprint()
        left: Counter[str] = Counter()
        while left.total() < kills:
            copyfile(old, out)
            if run(new, place, Kill(draw.uniform(0, write.done - write.begun), 0)) != -signal.SIGKILL:
                continue
            if out.read_bytes() == old.read_bytes():
                left["the old file"] += 1
            else:
                left["the new file" if load_scan(out).fingerprint() == due else "a damaged file"] += 1
        again = run(new, place) == 0 and load_scan(out).fingerprint() == due
        yield {"writer": writer, "kills": kills, "left": left, "written_again": again}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="trainings that are killed")
    parser.add_argument("--writes", type=int, default=3, help="times that each writer of scans is killed")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    get_context("forkserver").set_forkserver_preload(IMPORTS)
    earlier = RESULTS / "crash.json"
    content: dict[str, Any] = {"seed": SEED, "epochs": EPOCHS, "trainings": [], "scans": []}
    if earlier.is_file():
        content |= {key: json.loads(earlier.read_text())[key] for key in ("trainings", "scans")}
    missing = [writer for writer in WRITERS if writer not in [row["writer"] for row in content["scans"]]]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for row in scans(folder, arguments.writes, missing) if missing else ():
            content["scans"].append(row)
            print(row, write_results("crash", content), flush=True)
        numbers = range(len(content["trainings"]), arguments.kills)
        for row in trainings(folder, numbers) if numbers else ():
            content["trainings"].append(row)
            print(row, write_results("crash", content), flush=True)


if __name__ == "__main__":
    main()
