"""The suite of simulators passes a sound one, and finds each defect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import Field

from ptycho_host.contracts import SimulationRequest
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError
from ptycho_host.physics.dose import count_photons, probe_for_dose
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.patches import extract_patches
from ptycho_host.testing import SimulatorConformance
from ptycho_host.testing.scans import disc_probe, raster, smooth_object

CHECKS = [
    name
    for name in dir(SimulatorConformance)
    if name.startswith("test_") and name != "test_listing_imports_nothing_heavy"
]
Simulate = Callable[..., Any]
SIDE, PIXELS = 32, 16


def sound(request: SimulationRequest, rng: np.random.Generator, photons: float = 1e5) -> Scan:
    truth = smooth_object((SIDE, SIDE), int(rng.integers(1000)))
    positions = raster(PIXELS / 2, 4, 5) if request.positions is None else request.positions
    half = PIXELS / 2
    if positions.min() < half or positions.max() > SIDE - half:
        raise InputError("a requested position lies off the object.")
    probe = request.probe
    patches = extract_patches(truth, positions, PIXELS)
    if probe is None:
        probe = disc_probe(PIXELS)
        energy = np.mean(np.sum(np.abs(patches * probe) ** 2, axis=(1, 2))) / np.sum(np.abs(probe) ** 2)
        probe = probe_for_dose(probe, float(energy), photons)
    amplitudes = count_photons(diffraction_amplitude(patches, probe), rng)
    return Scan(amplitudes, positions, probe, truth=truth, name="lab", metadata={"photons": photons})


def with_dose(simulate: Simulate) -> Callable[..., Any]:
    def build(*, photons: Annotated[float, Field(gt=0, description="Photons a pattern.")] = 1e5) -> Simulate:
        return lambda request, rng: simulate(request, rng, photons)

    return build


@pytest.mark.parametrize("check", CHECKS)
def test_a_sound_simulator_passes(trial: Callable[..., Any], check: str) -> None:
    trial(SimulatorConformance, with_dose(sound)).check(check)


def changed(**changes: Callable[[Scan], Any]) -> Simulate:
    """The sound simulator with some fields of its scan changed."""

    def simulate(request: SimulationRequest, rng: np.random.Generator, photons: float = 1e5) -> Scan:
        scan = sound(request, rng, photons)
        return replace(scan, **{name: change(scan) for name, change in changes.items()})

    return simulate


def counts_instead_of_roots(scan: Scan) -> Any:
    return np.square(scan.batch(slice(None)))


def corner_first(scan: Scan) -> Any:
    return np.fft.ifftshift(scan.batch(slice(None)), axes=(-2, -1))


def global_noise(request: SimulationRequest, rng: np.random.Generator, photons: float = 1e5) -> Scan:
    np.random.random()  # noqa: NPY002
    return sound(request, rng, photons)


def own_noise(request: SimulationRequest, rng: np.random.Generator, photons: float = 1e5) -> Scan:
    return sound(request, np.random.default_rng(), photons)


def always_alike(request: SimulationRequest, rng: np.random.Generator, photons: float = 1e5) -> Scan:
    return sound(request, np.random.default_rng(0), photons)


def deaf_to_dose(request: SimulationRequest, rng: np.random.Generator, photons: float = 1e5) -> Scan:
    return sound(request, rng)


def deaf_to_probe(request: SimulationRequest, rng: np.random.Generator, photons: float = 1e5) -> Scan:
    return sound(replace(request, probe=None), rng, photons)


def deaf_to_positions(request: SimulationRequest, rng: np.random.Generator, photons: float = 1e5) -> Scan:
    return sound(replace(request, positions=None), rng, photons)


def keeps_its_dose(request: SimulationRequest, rng: np.random.Generator, photons: float = 1e5) -> Scan:
    """Names the requested probe, and counts the photons of its own."""
    scan = sound(replace(request, probe=None), rng, photons)
    return scan if request.probe is None else replace(scan, probe=request.probe)


def sorts_in_place(request: SimulationRequest, rng: np.random.Generator, photons: float = 1e5) -> Scan:
    if request.positions is not None:
        request.positions.sort(axis=0)
    return sound(request, rng, photons)


def off_the_object(request: SimulationRequest, rng: np.random.Generator, photons: float = 1e5) -> Scan:
    positions = None if request.positions is None else np.clip(request.positions, PIXELS / 2, SIDE - PIXELS / 2)
    return sound(replace(request, positions=positions), rng, photons)


def no_scan(request: SimulationRequest, rng: np.random.Generator, photons: float = 1e5) -> Any:
    return sound(request, rng, photons).amplitudes


VALID = "test_scan_is_valid"
SEED = "test_only_the_seed_decides"
TRUTH = "test_truth_explains_the_patterns"
REQUEST = "test_request_is_honoured"
DEFECTS: list[tuple[str, Simulate, str, str]] = [
    ("double", changed(probe=lambda scan: scan.probe.astype(np.complex128)), VALID, r"probe are complex128, not"),
    ("single", changed(positions=lambda scan: scan.positions.astype(np.float32)), VALID, r"positions are float32"),
    ("negative", changed(amplitudes=lambda scan: -scan.batch(slice(None))), VALID, r"amplitudes is negative at"),
    ("off", changed(positions=lambda scan: scan.positions + 9), VALID, r"put \d+ patches outside"),
    ("untrue", changed(truth=lambda scan: None), VALID, r"without the true object"),
    ("no scan", no_scan, VALID, r"returns ndarray where a Scan is due"),
    ("own noise", own_noise, SEED, r"another scan of the same rng"),
    ("alike", always_alike, SEED, r"the same scan whatever the rng"),
    ("global noise", global_noise, SEED, r"global random numbers"),
    ("counts", changed(amplitudes=counts_instead_of_roots), TRUTH, r"times as far from those of its truth"),
    ("corner", changed(amplitudes=corner_first), TRUTH, r"check the far field"),
    ("x, y", changed(positions=lambda scan: scan.positions[:, ::-1]), TRUTH, r"patch centres \(y, x\)"),
    ("conjugate", changed(truth=lambda scan: scan.truth.conj()), TRUTH, r"times as far"),
    ("deaf", deaf_to_dose, "test_dose_is_as_asked", r"counts 1e\+05 photons a pattern where photons=10000"),
    ("probe", deaf_to_probe, REQUEST, r"does not use the requested probe"),
    ("positions", deaf_to_positions, REQUEST, r"does not use the requested positions"),
    ("its dose", keeps_its_dose, REQUEST, r"when probe are requested|when probe"),
    ("sorts", sorts_in_place, REQUEST, r"changes the arrays of the request in place"),
    ("clips", off_the_object, "test_impossible_positions_are_refused", r"makes a scan when a requested position"),
    ("metadata", changed(metadata=lambda scan: {"when": object()}), "test_scan_can_be_written", r"JSON"),
    (
        "double truth",
        changed(truth=lambda scan: scan.truth.astype(np.complex128) * (1 + 1e-9)),
        "test_scan_can_be_written",
        r"keep to the dtypes of Scan",
    ),
]


@pytest.mark.parametrize(("simulate", "check", "sentence"), [d[1:] for d in DEFECTS], ids=[d[0] for d in DEFECTS])
def test_a_defect_is_found(trial: Callable[..., Any], simulate: Simulate, check: str, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as failure:
        trial(SimulatorConformance, with_dose(simulate)).check(check)
    assert str(failure.value).startswith("simulator 'lab' (lab) ")
