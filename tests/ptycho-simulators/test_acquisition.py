"""From an object to counted photons: dose, noise, agreement with a direct computation, what a caller may impose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ptycho_host.contracts import SimulationRequest
from ptycho_host.errors import InputError
from ptycho_host.metrics.diffraction import predicted_amplitudes
from ptycho_simulators import lines, random_field
from ptycho_simulators.probes import DISC, ProbeShape, coherent_modes, make_probe
from ptycho_simulators.scan_patterns import ScanPattern

NOTHING_IMPOSED = SimulationRequest()
SMALL = {"size": 64, "pixels": 32}


def simulate(seed=0, request=NOTHING_IMPOSED, **options):
    return random_field.build(**SMALL | options)(request, np.random.default_rng(seed))


def test_the_demo_raster_has_1089_patterns_of_the_dose_asked_for():
    scan = lines.build()(SimulationRequest(), np.random.default_rng(0))
    assert scan.amplitudes.shape == (1089, 64, 64)
    assert scan.truth.shape == (256, 256)
    mean_counts = np.mean(np.sum(scan.amplitudes.astype(np.float64) ** 2, axis=(1, 2)))
    # The noise of the mean is 1e9 / sqrt(1e9 * 1089), a millionth; single precision adds a little.
    assert mean_counts == pytest.approx(1e9, rel=1e-5)


def test_arrays_are_in_single_precision_and_positions_in_double():
    scan = simulate()
    assert [scan.amplitudes.dtype, scan.probe.dtype, scan.truth.dtype] == [np.float32, np.complex64, np.complex64]
    assert scan.positions.dtype == np.float64


def test_patterns_equal_a_direct_computation_on_whole_pixels():
    scan = simulate(photons=1e12)
    for index in (0, 7, scan.count - 1):
        top, left = (scan.positions[index] - 16).astype(int)
        exit_wave = scan.truth[top : top + 32, left : left + 32].astype(complex) * scan.probe
        n = np.arange(32)
        fourier = np.exp(-2j * np.pi * np.outer(n - 16, n) / 32)
        expected = np.abs(fourier @ exit_wave @ fourier.T) / 32
        # Counting noise of an amplitude has standard deviation 1/2; single precision is 1e-6 of the largest.
        assert np.abs(scan.amplitudes[index] - expected).max() < 3.5 + 2e-6 * expected.max()


def test_the_probe_carries_the_dose_behind_a_transparent_object():
    scan = simulate(photons=1e6, amplitude_floor=0.0)
    light = [
        np.sum(np.abs(scan.probe * scan.truth[int(y) - 16 : int(y) + 16, int(x) - 16 : int(x) + 16]) ** 2)
        for y, x in scan.positions
    ]
    assert np.mean(light) == pytest.approx(1e6, rel=1e-5)
    assert np.sum(np.abs(scan.probe) ** 2) > 1e6


def test_counts_are_whole_numbers_with_the_variance_of_poisson():
    request = SimulationRequest(positions=np.full((4000, 2), 30.0))
    counts = simulate(request=request, photons=3e4).amplitudes.astype(np.float64) ** 2
    # sqrt in single precision and back: 1e-7 of the count, which is below 1e4.
    assert np.abs(counts - np.round(counts)).max() < 0.01
    mean, variance = counts.mean(axis=0), counts.var(axis=0)
    bright = mean > 5
    # Of 4000 draws, variance / mean scatters by sqrt(2 / 4000) = 0.022 a pixel; five of that.
    assert np.abs(variance[bright] / mean[bright] - 1).max() < 0.12
    assert bright.sum() > 20


def test_the_same_seed_gives_the_same_scan_whatever_the_global_state():
    np.random.seed(1)  # noqa: NPY002
    first = simulate(seed=3, scan=ScanPattern(pattern="random"))
    np.random.seed(2)  # noqa: NPY002
    second = simulate(seed=3, scan=ScanPattern(pattern="random"))
    other = simulate(seed=4, scan=ScanPattern(pattern="random"))
    assert first.fingerprint() == second.fingerprint()
    np.testing.assert_array_equal(first.amplitudes, second.amplitudes)
    np.testing.assert_array_equal(first.truth, second.truth)
    assert not np.array_equal(first.truth, other.truth)
    assert first.positions.shape != other.positions.shape or not np.array_equal(first.positions, other.positions)


def test_the_same_generator_gives_a_new_scan_each_time():
    simulator, rng = random_field.build(**SMALL), np.random.default_rng(0)
    first, second = (simulator(SimulationRequest(), rng) for _ in range(2))
    assert not np.array_equal(first.truth, second.truth)


def test_dose_and_scan_do_not_change_the_object():
    truths = [
        simulate(**options).truth for options in ({}, {"photons": 1e3}, {"scan": ScanPattern(pattern="spiral", step=3)})
    ]
    np.testing.assert_array_equal(truths[0], truths[1])
    np.testing.assert_array_equal(truths[0], truths[2])


def test_a_requested_probe_and_requested_positions_are_taken_as_they_are():
    probe = 100 * make_probe(DISC, 16)
    positions = np.array([[8.0, 8.0], [20.25, 30.5], [56.0, 56.0]])
    scan = simulate(request=SimulationRequest(probe=probe, positions=positions), photons=1.0)
    np.testing.assert_array_equal(scan.probe, probe)
    np.testing.assert_array_equal(scan.positions, positions)
    assert scan.pixels == 16
    assert scan.metadata["photons"] == pytest.approx(np.mean(np.sum(scan.amplitudes**2, axis=(1, 2))), rel=0.01)
    assert not {"probe", "photons", "scan"} & set(scan.metadata["options"])


@pytest.mark.parametrize("positions", [[[15.9, 30]], [[30, 48.1]], [[np.nan, 30]], np.empty((0, 2))])
def test_requested_positions_outside_the_object_are_refused(positions):
    with pytest.raises(InputError, match="positions"):
        simulate(request=SimulationRequest(positions=np.array(positions, dtype=float)))


def test_metadata_are_plain_values_that_name_the_simulator():
    import json

    metadata = simulate(scan=ScanPattern(step=4)).metadata
    assert metadata["simulator"] == "random_field"
    assert metadata["photons"] == 1e9
    assert json.loads(json.dumps(metadata))["options"]["scan"]["step"] == 4


def test_an_object_smaller_than_the_probe_is_refused():
    with pytest.raises(InputError, match=r"simulator\.size"):
        simulate(size=30)


def test_the_intensities_of_two_modes_add():
    options = {"photons": 1e12, "probe": ProbeShape(second_mode=0.3)}
    scan, coherent = simulate(**options), simulate(photons=1e12)
    np.testing.assert_array_equal(scan.truth, coherent.truth)
    modes = coherent_modes(scan.probe, 0.3)
    expected = np.sqrt(
        sum(
            np.square(predicted_amplitudes(scan.truth, replace(scan, probe=mode), np.arange(scan.count)))
            for mode in modes
        )
    )
    # Counting noise of an amplitude has standard deviation 1/2; single precision is 1e-6 of the largest.
    assert np.abs(scan.amplitudes - expected).max() < 3.5 + 4e-6 * expected.max()
    assert scan.metadata["options"]["probe"]["second_mode"] == 0.3
    mean_counts = np.mean(np.sum(scan.amplitudes.astype(np.float64) ** 2, axis=(1, 2)))
    assert mean_counts == pytest.approx(1e12, rel=1e-4)


def test_a_second_mode_is_orthogonal_and_takes_its_part_of_the_light():
    probe = make_probe(DISC, 32)
    first, second = coherent_modes(probe, 0.25)
    light = np.sum(np.abs(probe) ** 2)
    assert np.sum(np.abs(first) ** 2) == pytest.approx(0.75 * light, rel=1e-5)
    assert np.sum(np.abs(second) ** 2) == pytest.approx(0.25 * light, rel=1e-5)
    assert abs(np.vdot(first, second)) < 1e-5 * light
    np.testing.assert_array_equal(coherent_modes(probe, 0.0), probe[None])
