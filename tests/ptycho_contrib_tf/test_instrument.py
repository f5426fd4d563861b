"""The probe and the intensity scale, learnt along with the generator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ptycho_contrib_tf.instrument import LOG_FACTOR, Instrument
from ptycho_contrib_tf.library import tf
from ptycho_contrib_tf.network import PatternNetwork
from ptycho_contrib_tf.physics import diffraction_amplitude
from ptycho_host.contracts import FIRST_PROBE, LEARNT_PROBE, PatchShape
from ptycho_host.data.scan import Scan
from ptycho_host.physics.intensity import IntensityScale


def bent(scan: Scan) -> Scan:
    """The scan with a probe of another curvature than its patterns were made with."""
    y, x = np.mgrid[:32, :32] - 15.5
    return replace(scan, probe=(scan.probe * np.exp(0.008j * (y**2 + x**2))).astype(np.complex64))


def test_they_are_trained_variables_only_where_asked_for(laboratory: Any, scan: Scan) -> None:
    probe = IntensityScale.of(scan).model_probe(scan.probe)
    for wanted in ({}, {"trainable_probe"}, {"trainable_intensity_scale"}):
        network = PatternNetwork(laboratory.network(), Instrument(probe, **dict.fromkeys(wanted, True)), PatchShape(32))
        assert len(network.trained) == 4 + len(wanted)
    assert not any(name.startswith("engine.") for name in laboratory.train(epochs=1).weights)


def test_gradients_reach_both(laboratory: Any, scan: Scan) -> None:
    scale = IntensityScale.of(scan)
    instrument = Instrument(scale.model_probe(bent(scan).probe), trainable_probe=True, trainable_intensity_scale=True)
    network = PatternNetwork(laboratory.network(), instrument, PatchShape(32))
    amplitude = tf.constant(scale.model_amplitude(scan.batch(slice(0, 8)))[:, None])
    with tf.GradientTape() as tape:
        patches = network(amplitude, training=True)
        loss = tf.reduce_mean(tf.abs(diffraction_amplitude(patches, instrument.probe) - amplitude))
    of_probe, of_factor = tape.gradient(loss, network.trained[-2:])
    assert np.abs(of_probe.numpy()).max() > 0
    assert abs(float(of_factor)) > 0
    # Along the probe itself nothing changes: its energy is kept.
    parts = np.stack([instrument.first_probe.real, instrument.first_probe.imag], axis=-1)
    assert abs(np.sum(of_probe.numpy() * parts)) < 1e-5 * np.linalg.norm(of_probe) * np.linalg.norm(parts)


def test_a_wrong_probe_is_mended_in_part(laboratory: Any, scan: Scan) -> None:
    learning = laboratory.on(trainable_probe=True)
    options = {"epochs": 20, "learning_rate": 0.01, "scan": bent(scan)}
    kept, learnt = laboratory.run(), learning.run()
    laboratory.train(kept, **options)
    bundle = learning.train(learnt, **options)
    assert learnt.reports[-1].training_loss < 0.97 * kept.reports[-1].training_loss
    assert np.abs(bundle.weights[LEARNT_PROBE] - bundle.weights[FIRST_PROBE]).max() > 0.01

    true = bundle.scale.model_probe(scan.probe)

    def likeness(parts: np.ndarray) -> float:
        probe = parts[..., 0] + 1j * parts[..., 1]
        return float(np.abs(np.vdot(probe, true)) / np.linalg.norm(probe) / np.linalg.norm(true))

    assert likeness(bundle.weights[LEARNT_PROBE]) > likeness(bundle.weights[FIRST_PROBE])


@pytest.mark.slow
def test_the_factor_mends_a_generator_on_another_scale(laboratory: Any) -> None:
    class Faint(type(laboratory.network())):
        def call(self, inputs: Any) -> tf.Tensor:
            return 0.5 * super().call(inputs)

    learning = laboratory.on(trainable_intensity_scale=True)
    bundle = learning.train(epochs=20, learning_rate=0.03, make=Faint)
    assert 0.1 < float(bundle.weights[LOG_FACTOR]) < 1.0
    # Predicted patches carry the factor: their far field is that of the scan, whatever the generator's own scale.
    patches = learning.patches(bundle)
    assert np.abs(patches[:, 12:20, 12:20]).mean() > 0.6


def test_a_learnt_probe_serves_the_scan_that_it_was_learnt_from(laboratory: Any, scan: Scan) -> None:
    learning = laboratory.on(trainable_probe=True)
    bundle = learning.train(epochs=3, learning_rate=0.01)
    assert bundle.weights.keys() - bundle.network_weights.keys() == {LEARNT_PROBE, FIRST_PROBE}
    learnt, other = bundle.probe_for(scan.probe), scan.probe.conj()
    assert np.linalg.norm(bundle.weights[LEARNT_PROBE]) == pytest.approx(np.linalg.norm(bundle.weights[FIRST_PROBE]))
    assert bundle.probe_for(other) is other
    # The network keeps none of the two: it reckons with the probe of the scan that it is given.
    plain = replace(bundle, weights=bundle.network_weights)
    for probe in (scan.probe, learnt):
        given = replace(scan, probe=probe)
        np.testing.assert_array_equal(learning.patches(bundle, given), learning.patches(plain, given))
    assert np.abs(learning.patches(bundle, replace(scan, probe=learnt)) - learning.patches(bundle)).max() > 1e-3


@pytest.mark.slow
def test_both_go_on_from_a_checkpoint(laboratory: Any) -> None:
    learning = laboratory.on(trainable_probe=True, trainable_intensity_scale=True)
    uninterrupted = learning.train(epochs=3)
    with pytest.raises(KeyboardInterrupt):
        learning.train(learning.run(stop_after=1), epochs=3)
    resumed = learning.train(learning.run(resume=True), epochs=3)
    for name, array in uninterrupted.weights.items():
        np.testing.assert_array_equal(resumed.weights[name], array)
