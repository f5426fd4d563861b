"""One step of each refiner is that of its paper, written here in double precision, pattern by pattern.

Positions are whole pixels: there a patch is a slice, and nothing of the code under test is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ptycho_host.contracts import Reconstruction
from ptycho_host.data.scan import Scan
from ptycho_host.testing.scans import simulated_scan, smooth_object
from ptycho_iterative.epie import Epie
from ptycho_iterative.lsq_ml import LsqMl
from ptycho_iterative.rpie import Rpie

# Single precision in a few hundred additions, of numbers of order one; the steps are 1e-2 to 1.
TOLERANCE = {"rtol": 0, "atol": 2e-5}
ALL = np.arange(9)


class Step:
    """The sums that all papers speak of, over a batch, for the first step from a start."""

    def __init__(self, scan: Scan, start: Reconstruction, batch: np.ndarray) -> None:
        self.object = start.object.astype(np.complex128)
        self.probe = scan.probe.astype(np.complex128)
        n = scan.pixels
        corners = (scan.positions[batch] - n / 2).astype(int)
        self.places = [(slice(y, y + n), slice(x, x + n)) for y, x in corners]
        self.patches = [self.object[place] for place in self.places]
        self.differences = []
        for patch, measured in zip(self.patches, scan.batch(batch).astype(np.float64), strict=True):
            wave = np.fft.fftshift(np.fft.fft2(self.probe * patch, norm="ortho"))
            corrected = measured * np.exp(1j * np.angle(wave))
            self.differences.append(np.fft.ifft2(np.fft.ifftshift(corrected), norm="ortho") - self.probe * patch)

    def placed(self, values: list[Any]) -> np.ndarray:
        canvas = np.zeros(self.object.shape, np.complex128)
        for place, value in zip(self.places, values, strict=True):
            canvas[place] += value
        return canvas

    @property
    def object_gradient(self) -> np.ndarray:
        return self.placed([np.conj(self.probe) * difference for difference in self.differences])

    @property
    def light(self) -> np.ndarray:
        return self.placed([np.abs(self.probe) ** 2] * len(self.places)).real

    @property
    def probe_gradient(self) -> np.ndarray:
        return sum(np.conj(patch) * chi for patch, chi in zip(self.patches, self.differences, strict=True))

    @property
    def weight(self) -> np.ndarray:
        return sum(np.abs(patch) ** 2 for patch in self.patches)


def epie_step(step: Step, alpha: float, beta: float) -> tuple[np.ndarray, np.ndarray]:
    return (
        step.object + alpha * step.object_gradient / step.light.max(),
        step.probe + beta * step.probe_gradient / step.weight.max(),
    )


def rpie_step(step: Step, alpha: float, beta: float) -> tuple[np.ndarray, np.ndarray]:
    light, weight = step.light, step.weight
    return (
        step.object + step.object_gradient / ((1 - alpha) * light + alpha * light.max()),
        step.probe + step.probe_gradient / ((1 - beta) * weight + beta * weight.max()),
    )


def lsq_step(step: Step, damping: float, *, free: bool) -> tuple[np.ndarray, np.ndarray]:
    light = step.light + damping * step.light.max()
    weight = step.weight + damping * step.weight.max()
    object_direction, probe_direction = step.object_gradient / light, step.probe_gradient / weight
    fits = []
    for place, patch, chi in zip(step.places, step.patches, step.differences, strict=True):
        waves = [step.probe * object_direction[place], probe_direction * patch][: 1 + free]
        columns = np.stack([np.concatenate([wave.real.ravel(), wave.imag.ravel()]) for wave in waves], axis=1)
        target = np.concatenate([chi.real.ravel(), chi.imag.ravel()])
        fits.append(np.linalg.lstsq(columns, target, rcond=None)[0])
    lengths = step.placed([fit[0] * np.abs(step.probe) ** 2 for fit in fits]) / light
    probe = step.probe + (np.mean([fit[1] for fit in fits]) * probe_direction if free else 0)
    return step.object + lengths * object_direction, probe


@pytest.fixture(scope="module")
def scan() -> Scan:
    """Nine patterns of about two photons a pixel, at whole pixels; the probe is of order one, like the object."""
    return simulated_scan(16, count=3, photons=600.0)


@pytest.fixture(scope="module")
def start(scan: Scan) -> Reconstruction:
    obj = smooth_object(scan.canvas_shape(), seed=9)
    return Reconstruction(obj, np.ones(obj.shape, np.float32))


def alone(scan: Scan, index: int) -> Scan:
    return replace(scan.subset(np.array([index])), truth=scan.truth)


@pytest.mark.parametrize("batch", [np.array([4]), ALL])
def test_epie(scan: Scan, start: Reconstruction, refined: Callable[..., Reconstruction], batch: np.ndarray) -> None:
    # With one pattern: eqs. 6 and 7 of the paper as they stand.
    chosen, step = scan.subset(batch), Step(scan, start, batch)
    options = {"epochs": 1, "batch_size": 9, "object_step": 0.9, "probe_step": 0.7, "last_step": 1.0}
    result = refined(Epie, chosen, start, probe="free", **options)
    check(result, *epie_step(step, 0.9, 0.7))


@pytest.mark.parametrize("batch", [np.array([4]), ALL])
def test_rpie(scan: Scan, start: Reconstruction, refined: Callable[..., Reconstruction], batch: np.ndarray) -> None:
    chosen, step = scan.subset(batch), Step(scan, start, batch)
    options = {"epochs": 1, "batch_size": 9, "regularisation": 0.1, "probe_regularisation": 0.4}
    result = refined(Rpie, chosen, start, probe="free", **options)
    check(result, *rpie_step(step, 0.1, 0.4))


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("batch", [np.array([4]), ALL])
def test_lsq_ml(
    scan: Scan, start: Reconstruction, refined: Callable[..., Reconstruction], batch: np.ndarray, free: bool
) -> None:
    chosen, step = scan.subset(batch), Step(scan, start, batch)
    options = {"epochs": 1, "batch_size": 9, "damping": 0.05, "probe": "free" if free else "fixed"}
    result = refined(LsqMl, chosen, start, **options)
    check(result, *lsq_step(step, 0.05, free=free))


def check(result: Reconstruction, obj: np.ndarray, probe: np.ndarray) -> None:
    """The object, and the probe if it was free; the product of the two is what a step decides."""
    factor = 1.0 if result.probe is None else np.linalg.norm(result.probe) / np.linalg.norm(probe)
    np.testing.assert_allclose(result.object * factor, obj, **TOLERANCE)
    if result.probe is not None:
        np.testing.assert_allclose(result.probe / factor, probe, **TOLERANCE)
