"""The trained network that comes with the repository, on samples and a probe that it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ptycho_host import Host, Run, load_scan, simulate
from ptycho_host.data.scan import Scan
from ptycho_host.report.progress import SilentProgress
from ptycho_host.workflows.evaluation import evaluate
from ptycho_host.workflows.refine import configure_refiner, refined

pytest.importorskip("torch")

NETWORK = Path(__file__).parent.parent / "networks" / "any_object"
ON_ONE_THREAD = ["engine.device=cpu", "engine.threads=1"]


def judged(scan: Scan, iterations: int, host: Host) -> dict[str, Any]:
    run = Run.open(NETWORK, host=host, settings=[*ON_ONE_THREAD, f"generator.iterations={iterations}"])
    return evaluate(run.assemble(scan), scan).metrics.as_json()


@pytest.mark.slow
def test_measured_patterns_under_another_probe_are_explained() -> None:
    host = Host.discover()
    scan = load_scan("siemens_star", host=host)
    # Of the whole scan the rPIE object in its file explains 0.9960; this is the part that the package holds.
    assert judged(scan, 24, host)["diffraction"]["correlation"] > 0.995


@pytest.mark.slow
@pytest.mark.parametrize(("step", "size"), [(8, 144), (16, 192)])
def test_photographs_are_reconstructed_better_than_by_as_many_epochs_of_a_refiner(step: int, size: int) -> None:
    """The network was trained at a step of 16 px, and on no photographs."""
    host = Host.discover()
    scan = simulate("image", {"size": size, "pixels": 64, "scan": {"step": step}}, seed=0, host=host)
    network = judged(scan, 12, host)
    refiner = configure_refiner(host, {"name": "lsq_ml", "epochs": 12, "threads": 1, "device": "cpu"})
    alone = evaluate(refined(scan, refiner, None, SilentProgress()), scan).metrics.as_json()
    for part in ("amplitude", "phase"):
        assert 1 - network[part]["ssim"] < 0.7 * (1 - alone[part]["ssim"]), part
