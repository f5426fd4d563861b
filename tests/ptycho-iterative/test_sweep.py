"""How scans are gone through: order, portions, streaming, progress, and what is said when it goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_host.contracts import Reconstruction
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError, RunFailedError
from ptycho_host.report.progress import LineProgress
from ptycho_iterative import patterns
from ptycho_iterative.epie import Epie
from ptycho_iterative.rpie import Rpie
from ptycho_iterative.schedule import Schedule
from ptycho_iterative.sweep import Momentum

Refined = Callable[..., Reconstruction]


def test_a_scan_that_does_not_fit_gives_the_same_object(
    noiseless: Scan, refined: Refined, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = refined(Rpie, noiseless, epochs=2)
    monkeypatch.setattr(patterns, "RESIDENT", 0)
    on_disk = noiseless.subset(np.arange(noiseless.count))
    np.testing.assert_array_equal(refined(Rpie, on_disk, epochs=2).object, held.object)


def test_the_seed_decides_the_order(noiseless: Scan, refined: Refined) -> None:
    one, again, other = (refined(Epie, noiseless, epochs=1, seed=seed).object for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1e-3


def test_steps_shrink_in_the_last_quarter_only() -> None:
    steps = [Schedule(epochs=9, last_step=0.25).shrinkage(epoch) for epoch in range(1, 10)]
    np.testing.assert_allclose(steps, [1, 1, 1, 1, 1, 1, 1, 0.25**0.5, 0.25])
    assert Schedule(epochs=1, last_step=0.25).shrinkage(1) == 1


def test_shrinking_steps_leave_less_noise(refined: Refined, object_error: Any) -> None:
    from ptycho_host.testing.scans import simulated_scan

    noisy = simulated_scan(32, count=7, photons=2e4)
    long, short = (refined(Rpie, noisy, epochs=30, last_step=last, batch_size=4).object for last in (1.0, 0.1))
    assert object_error(short, noisy) < 0.9 * object_error(long, noisy)


def test_progress_counts_patterns_and_tells_the_residual(noiseless: Scan, uniform: Any) -> None:
    lines: list[str] = []
    result = Rpie(epochs=2, device="cpu")(noiseless, uniform(noiseless), LineProgress(lines.append))
    assert lines[0] == "refining (rpie): 98 patterns"
    assert lines[1].startswith("refining (rpie): done in ")
    assert lines[1].endswith(f"epoch 2, residual {result.refinement[-1].residual:.4g}")


def test_an_object_that_is_not_finite_ends_in_a_sentence(noiseless: Scan, refined: Refined, uniform: Any) -> None:
    start = uniform(noiseless)
    start.object[20, 20] = np.nan
    with pytest.raises(RunFailedError, match=r"refiner 'epie' diverged in epoch 1; take shorter steps"):
        refined(Epie, noiseless, start)


def test_a_device_that_is_not_there_is_refused(noiseless: Scan, uniform: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"refiner.device is 'cuda', but Torch finds no CUDA device"):
        Epie(device="cuda")(noiseless, uniform(noiseless), LineProgress(lambda line: None))


def test_threads_are_put_back(noiseless: Scan, refined: Refined) -> None:
    before = torch.get_num_threads()
    refined(Epie, noiseless, epochs=1, threads=before + 1)
    assert torch.get_num_threads() == before


def test_what_no_pattern_lights_stays_as_it_was(noiseless: Scan, refined: Refined) -> None:
    height, width = noiseless.canvas_shape()
    wide = replace(noiseless, truth=np.ones((height + 40, width + 50), np.complex64))
    start = Reconstruction(np.full((height + 40, width + 50), 0.6j, np.complex64), np.ones((1, 1), np.float32))
    result = refined(Rpie, wide, start, epochs=2)
    assert np.all(result.object[height + 2 :] == np.complex64(0.6j))
    assert np.all(result.object[:, width + 2 :] == np.complex64(0.6j))
    assert not np.any(result.object[20 : height - 20, 20 : width - 20] == np.complex64(0.6j))


def test_momentum_follows_nesterov_and_begins_anew_when_the_residual_rises() -> None:
    momentum = Momentum(0.65)
    parts = [momentum.after(residual) for residual in (1.0, 0.5, 0.3, 0.2, 0.21, 0.3, 0.2)]
    np.testing.assert_allclose(parts, [0, 4 / 7, 5 / 8, 0.65, 0.65, 0, 4 / 7])


def test_momentum_brings_slow_waves_sooner(noiseless: Scan, refined: Refined, object_error: Any) -> None:
    plain, carried = (refined(Rpie, noiseless, epochs=25, momentum=momentum).object for momentum in (0.0, 0.9))
    assert object_error(carried, noiseless) < 0.5 * object_error(plain, noiseless)
