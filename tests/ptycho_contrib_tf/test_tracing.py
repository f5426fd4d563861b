"""Every function is traced, and with XLA compiled, in the first epoch only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ptycho_contrib_tf.devices import Devices
from ptycho_contrib_tf.forward import Forward
from ptycho_contrib_tf.instrument import Instrument
from ptycho_contrib_tf.network import PatternNetwork
from ptycho_host.contracts import PatchShape
from ptycho_host.data.scan import Scan
from ptycho_host.physics.intensity import IntensityScale


@pytest.mark.parametrize("xla", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_nothing_is_traced_after_the_first_epoch(laboratory: Any, scan: Scan, xla: bool) -> None:
    """Held-out patterns (5) do not fill a prediction batch (8), groups (11) leave a rest at four a batch."""
    engine = laboratory.on(xla=xla).engine
    problem = laboratory.problem(scan, epochs=3)
    counts = []

    class Run(type(laboratory.run())):
        def epoch_finished(self, report: Any, bundle: Any) -> None:
            steps = loop.steps
            counts.append(
                tuple(
                    function.experimental_get_tracing_count()
                    for function in (steps.gradients, steps.update, steps._forward.function)
                )
            )

    devices = Devices.choose("cpu")
    with devices.first():
        loop = engine._prepare(devices, problem, laboratory.components(), Run(laboratory.folder))
        loop.train()
    assert counts == [(1, 1, 1)] * 3


def test_one_trace_serves_any_number_of_patterns(laboratory: Any, scan: Scan) -> None:
    scale = IntensityScale.of(scan)
    network = PatternNetwork(laboratory.network(), Instrument(scale.model_probe(scan.probe)), PatchShape(32))
    forward = Forward(network, 8, xla=False)
    amplitude = scale.model_amplitude(scan.batch(slice(0, 20)))[:, None]
    whole = forward(amplitude)
    for count in (1, 3, 8, 9):
        np.testing.assert_array_equal(forward(amplitude[:count])[:1], whole[:1])
    assert forward(amplitude[:0]).shape == (0, 1, 32, 32)
    assert forward.function.experimental_get_tracing_count() == 1


def test_another_prediction_from_the_same_bundle_compiles_nothing(laboratory: Any, scan: Scan) -> None:
    bundle = laboratory.train(epochs=1)
    whole = laboratory.patches(bundle)
    some = laboratory.patches(bundle, scan.subset(np.array([3, 1, 40])))
    np.testing.assert_allclose(some, whole[[3, 1, 40]], atol=1e-6)
    (kept,) = laboratory.engine._kept
    assert kept.forward.function.experimental_get_tracing_count() == 1
    other = laboratory.train(epochs=1, seed=1)
    assert np.abs(laboratory.patches(other) - whole).max() > 1e-6
    assert len(laboratory.engine._kept) == 1
