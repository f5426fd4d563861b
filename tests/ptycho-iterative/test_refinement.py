"""Refiners find objects that are known, and do with the probe what they were told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ptycho_host.contracts import Reconstruction, RefineFunction
from ptycho_host.data.scan import Scan
from ptycho_host.metrics.diffraction import diffraction_agreement
from ptycho_iterative.epie import Epie
from ptycho_iterative.lsq_ml import LsqMl
from ptycho_iterative.rpie import Rpie

Refined = Callable[..., Reconstruction]
Build = Callable[..., RefineFunction]
ALL = pytest.mark.parametrize("build", [Epie, Rpie, LsqMl], ids=["epie", "rpie", "lsq_ml"])


@ALL
def test_a_known_object_is_found_from_a_uniform_one(
    build: Build, noiseless: Scan, refined: Refined, object_error: Any, uniform: Any
) -> None:
    result = refined(build, noiseless, epochs=60, batch_size=7, last_step=1.0)
    residuals = [epoch.residual for epoch in result.refinement]
    assert object_error(uniform(noiseless).object, noiseless) > 0.4
    # What is left are waves as long as the scan, which come last.
    assert object_error(result.object, noiseless) < 0.05
    assert residuals[-1] < 1e-3 * residuals[0]
    assert [epoch.epoch for epoch in result.refinement] == list(range(1, 61))


@ALL
@pytest.mark.parametrize("batch_size", [1, 7, 49])
def test_the_residual_falls_epoch_by_epoch_without_noise(
    build: Build, batch_size: int, noiseless: Scan, refined: Refined
) -> None:
    residuals = np.array(
        [
            epoch.residual
            for epoch in refined(build, noiseless, epochs=8, batch_size=batch_size, momentum=0.0).refinement
        ]
    )
    assert np.all(np.diff(residuals) < 0)


@ALL
def test_the_true_object_stays(build: Build, noiseless: Scan, refined: Refined, object_error: Any) -> None:
    assert noiseless.truth is not None
    start = Reconstruction(noiseless.truth, np.ones(noiseless.truth.shape, np.float32))
    assert object_error(refined(build, noiseless, start, epochs=3).object, noiseless) < 1e-5


@ALL
def test_a_fixed_probe_stays(build: Build, noiseless: Scan, refined: Refined) -> None:
    before = noiseless.probe.copy()
    assert refined(build, noiseless, epochs=2).probe is None
    np.testing.assert_array_equal(noiseless.probe, before)


@ALL
def test_a_free_probe_mends_a_wrong_one(build: Build, noiseless: Scan, refined: Refined) -> None:
    wrong = replace(noiseless, probe=out_of_focus(noiseless.probe))
    options = {"epochs": 40, "batch_size": 7}
    fixed, free = refined(build, wrong, **options), refined(build, wrong, probe="free", **options)
    assert free.probe is not None
    # Same energy as the probe it was given, so that object and photon counts keep their scale.
    assert np.linalg.norm(free.probe) == pytest.approx(np.linalg.norm(wrong.probe), rel=1e-5)
    seen = replace(wrong, probe=free.probe)
    assert residual(free, seen) < 0.1 * residual(fixed, wrong)
    assert distance(free.probe, noiseless.probe) < 0.5 * distance(wrong.probe, noiseless.probe)


@ALL
def test_a_free_probe_waits_for_its_epoch(build: Build, noiseless: Scan, refined: Refined) -> None:
    wrong = replace(noiseless, probe=out_of_focus(noiseless.probe))
    waiting = refined(build, wrong, epochs=2, probe="free", probe_start=3)
    assert waiting.probe is not None
    np.testing.assert_allclose(waiting.probe, wrong.probe, rtol=1e-5, atol=1e-5 * np.abs(wrong.probe).max())
    fixed = refined(build, wrong, epochs=2)
    np.testing.assert_allclose(waiting.object, fixed.object, rtol=0, atol=1e-5)


def test_a_second_refinement_starts_from_the_refined_probe(noiseless: Scan, refined: Refined) -> None:
    wrong = replace(noiseless, probe=out_of_focus(noiseless.probe))
    first = refined(Rpie, wrong, epochs=20, probe="free")
    second = refined(Rpie, wrong, first, epochs=1)
    np.testing.assert_array_equal(second.probe, first.probe)
    assert second.refinement[0].residual < 1.5 * first.refinement[-1].residual


@ALL
def test_what_bad_pixels_hold_does_not_matter(build: Build, noiseless: Scan, refined: Refined) -> None:
    bad = np.zeros((32, 32), bool)
    bad[20:22, 4:28] = True
    amplitudes = noiseless.batch(slice(None))
    results = []
    for nonsense in (0.0, 1e4):
        scan = replace(noiseless, amplitudes=np.where(bad, np.float32(nonsense), amplitudes), bad_pixels=bad)
        results.append(refined(build, scan, epochs=10))
    np.testing.assert_array_equal(results[0].object, results[1].object)
    assert results[0].refinement[-1].residual == results[1].refinement[-1].residual < 5e-3


def out_of_focus(probe: np.ndarray) -> np.ndarray:
    """The probe after a little more way: a quadratic phase of up to two radians in Fourier space."""
    squared = np.sum(np.stack(np.meshgrid(*[np.fft.fftfreq(len(probe))] * 2)) ** 2, axis=0)
    moved: np.ndarray = np.fft.ifft2(np.fft.fft2(probe) * np.exp(30j * squared)).astype(np.complex64)
    return moved


def residual(result: Reconstruction, scan: Scan) -> float:
    found = diffraction_agreement(result.object, scan).residual
    assert found is not None
    return found


def distance(probe: np.ndarray, true: np.ndarray) -> float:
    """Of two probes, but for a constant factor."""
    overlap = abs(np.vdot(probe, true)) / np.linalg.norm(probe) / np.linalg.norm(true)
    return float(np.sqrt(max(1 - overlap**2, 0)))
