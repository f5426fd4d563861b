"""What all benchmarks share: trained runs as figures, several at a time, and results with their provenance."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

RESULTS = Path(__file__).parent / "results"
Job = TypeVar("Job")


def trained(config: dict[str, Any], keep: Path | None = None) -> dict[str, Any]:
    """Train as `config` says and return the figures; the run directory goes to `keep` or is thrown away."""
    from ptycho_host import train

    with tempfile.TemporaryDirectory() as folder:
        run = train(config, out=keep or Path(folder) / "run")
        return {
            "metrics": run.metrics,
            "facts": dict(run.bundle.facts),
            "history": run.history,
            "collapsed_epochs": [report.epoch for report in run.history if report.collapsed],
        }


def side_by_side(task: Callable[[Job], dict[str, Any]], jobs: Iterable[Job], workers: int) -> list[dict[str, Any]]:
    """The results of `task` for each job, in their order, `workers` at a time in fresh processes of one thread."""
    os.environ["OMP_NUM_THREADS"] = "1"
    jobs = list(jobs)
    results = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for number, result in enumerate(pool.map(task, jobs), start=1):
            print(f"{number}/{len(jobs)}  {result.get('label', '')}", flush=True)
            results.append(result)
    return results


def as_they_come(
    task: Callable[[Job], dict[str, Any]],
    jobs: Iterable[Job],
    workers: int,
    *,
    jobs_a_process: int | None = 1,
    seconds: float | None = None,
) -> Iterator[tuple[Job, dict[str, Any]]]:
    """As `side_by_side`, each job with its result as soon as it is done; `{"error": …}` of one that failed.

    A process takes `jobs_a_process`, or none: as many as come, which pays where it begins with a GPU. After `seconds`
    no more jobs are begun, and those left out have no result.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    started = time.monotonic()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), max_tasks_per_child=jobs_a_process) as pool:
        waiting = {pool.submit(task, job): job for job in jobs}
        for number, future in enumerate(as_completed(waiting), start=1):
            if future.cancelled():
                continue
            failure = future.exception()
            result = {"error": f"{type(failure).__name__}: {failure}"} if failure else future.result()
            print(f"{number}/{len(waiting)}  {result.get('label', result.get('error', ''))}", flush=True)
            yield waiting[future], result
            if seconds is not None and time.monotonic() - started > seconds:
                for other in waiting:
                    other.cancel()


def scores(metrics: dict[str, Any]) -> dict[str, float]:
    """The figures of an object, out of its metrics, that tables show."""
    return {f"{part}_{name}": metrics[part][name] for part in ("amplitude", "phase") for name in ("ssim", "mae")}


def forget_peak_memory() -> None:
    """Let the peak of resident memory begin anew where the system can, so that a run after others has its own."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def write_results(name: str, content: dict[str, Any]) -> Path:
    """Write `results/<name>.json` with command, date and machine beside the content."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    provenance = {
        "command": shown(sys.argv),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
    }
    path.write_text(json.dumps(provenance | content, indent=2) + "\n", encoding="utf-8")
    return path


def shown(command: list[str]) -> str:
    """The command of a benchmark as it would be typed elsewhere, with files by their names."""
    script, *arguments = command
    named = [Path(argument).name if "/" in argument and " " not in argument else argument for argument in arguments]
    return shlex.join(["python", f"benchmarks/{Path(script).name}", *named])


def machine() -> str:
    """Processor, cores, GPUs and versions, in one line."""
    from importlib.metadata import PackageNotFoundError, version

    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = names[0] if names else processor
    libraries = []
    for name in ("torch", "tensorflow-cpu", "tensorflow"):
        with suppress(PackageNotFoundError):
            libraries.append(f"{name} {version(name)}")
    found = [processor, f"{os.cpu_count()} cores", *_gpus(), f"Python {platform.python_version()}", *libraries]
    return ", ".join(found)


def _gpus() -> list[str]:
    """Names of the GPUs that the driver tells of."""
    asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return told.stdout.splitlines() if told.returncode == 0 else []


def mean_and_spread(values: list[float]) -> str:
    """`0.9912 ± 0.0004`: mean and sample standard deviation."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return f"{mean:.4f}"
    deviation = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    return f"{mean:.4f} ± {deviation:.4f}"
