"""Scans and starts that the tests of refiners share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_host.contracts import Reconstruction, RefineFunction
from ptycho_host.data.scan import Scan
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.patches import extract_patches
from ptycho_host.report.progress import SilentProgress
from ptycho_host.testing.scans import simulated_scan

Uniform: TypeAlias = Callable[[Scan], Reconstruction]
Refined: TypeAlias = Callable[..., Reconstruction]


@pytest.fixture(scope="session")
def noiseless() -> Scan:
    """49 patterns of 32 x 32 pixels at positions between pixels, without noise: exactly what its truth gives."""
    scan = simulated_scan(32, count=7)
    assert scan.truth is not None
    shifts = np.random.default_rng(4).uniform(-1, 1, scan.positions.shape)
    positions = np.clip(scan.positions + shifts, 16, scan.positions.max())
    exact = diffraction_amplitude(extract_patches(scan.truth.astype(np.complex128), positions, 32), scan.probe)
    return replace(scan, amplitudes=exact.astype(np.float32), positions=positions)


@pytest.fixture(scope="session")
def uniform() -> Uniform:
    def build(scan: Scan) -> Reconstruction:
        shape = scan.canvas_shape()
        return Reconstruction(np.full(shape, 0.8, np.complex64), np.ones(shape, np.float32))

    return build


@pytest.fixture(scope="session")
def refined(uniform: Uniform) -> Refined:
    """A scan refined by what a factory builds with these options, from a uniform object unless told otherwise."""

    def run(build: Callable[..., RefineFunction], scan: Scan, start: Any = None, **options: Any) -> Reconstruction:
        refine = build(device="cpu", **options)
        return refine(scan, uniform(scan) if start is None else start, SilentProgress())

    return run


@pytest.fixture(scope="session")
def object_error() -> Callable[[NDArray[Any], Scan], float]:
    """Relative error of an object against the truth where the light is a tenth of the brightest, less one phase."""
    from ptycho_host.physics.illumination import illumination

    def error(obj: NDArray[Any], scan: Scan) -> float:
        assert scan.truth is not None
        light = illumination(scan.positions, scan.probe, scan.canvas_shape())
        seen = light > 0.1 * light.max()
        found, true = obj[seen], scan.truth[seen]
        overlap = np.vdot(found, true)
        return float(np.linalg.norm(found * overlap / abs(overlap) - true) / np.linalg.norm(true))

    return error
