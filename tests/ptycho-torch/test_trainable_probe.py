"""The probe learnt along with the network: nearer to the true one, kept in the bundle, used for what it is for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ptycho_host.contracts import FIRST_PROBE, LEARNT_PROBE
from ptycho_host.data.scan import Scan
from ptycho_host.report.progress import SilentProgress
from ptycho_host.workflows.assembly import assemble
from ptycho_torch.engine import build


@pytest.fixture
def mistaken(scan: Scan) -> Scan:
    """The scan with a probe that has a fifth too much of its quadratic phase."""
    y, x = np.mgrid[:32, :32] - 15.5
    probe = scan.probe * np.exp(0.006j * (y**2 + x**2))
    return replace(scan, probe=probe.astype(np.complex64))


@pytest.fixture
def learning(laboratory: Any, mistaken: Scan) -> Any:
    engine = build(device="cpu", threads=1, trainable_probe=True)
    return replace(laboratory, scan=mistaken, engine=engine)


def distance(probe: np.ndarray, true: np.ndarray) -> float:
    """Of two probes, but for a constant factor."""
    overlap = abs(np.vdot(probe, true)) / np.linalg.norm(probe) / np.linalg.norm(true)
    return float(np.sqrt(max(1 - overlap**2, 0)))


def test_a_wrong_probe_comes_nearer_to_the_true_one(learning: Any, mistaken: Scan, scan: Scan) -> None:
    bundle = learning.train(epochs=20)
    learnt = bundle.probe_for(mistaken.probe)
    assert distance(learnt, scan.probe) < 0.8 * distance(mistaken.probe, scan.probe)
    # Its energy stays, so that object and photon counts keep their scale.
    assert np.linalg.norm(learnt) == pytest.approx(np.linalg.norm(mistaken.probe), rel=1e-5)
    # At another dose it is the same probe.
    assert distance(bundle.probe_for(3 * mistaken.probe), learnt) < 1e-3


def test_a_stopped_run_goes_on_with_the_probe_as_if_nothing_had_happened(learning: Any) -> None:
    """Bit by bit, on one thread."""
    uninterrupted = learning.train(epochs=4)
    for path in learning.folder.iterdir():
        path.unlink()
    with pytest.raises(KeyboardInterrupt):
        learning.train(learning.run(stop_after=2), epochs=4)
    resumed = learning.train(learning.run(resume=True), epochs=4)
    assert {LEARNT_PROBE, FIRST_PROBE} < resumed.weights.keys()
    for name, array in uninterrupted.weights.items():
        np.testing.assert_array_equal(resumed.weights[name], array)


def test_a_known_probe_leaves_no_trace(laboratory: Any, scan: Scan) -> None:
    bundle = laboratory.train(epochs=1)
    assert not {LEARNT_PROBE, FIRST_PROBE} & bundle.weights.keys()
    assert bundle.probe_for(scan.probe) is scan.probe


def test_prediction_and_object_use_the_learnt_probe(learning: Any, mistaken: Scan, scan: Scan) -> None:
    bundle = learning.train(epochs=4)
    learnt = bundle.probe_for(mistaken.probe)
    stitchers = [Whole(), Whole()]
    for taken, stitcher in zip((mistaken, scan), stitchers, strict=True):
        assemble(learning.engine, bundle, taken, stitcher, SilentProgress())
    given, other = (np.concatenate(stitcher.patches) for stitcher in stitchers)

    def predicted(probe: np.ndarray) -> np.ndarray:
        """In the order in which stitchers get them."""
        order = np.lexsort((scan.positions[:, 1], scan.positions[:, 0]))
        ordered = replace(scan, probe=probe).subset(order)
        return np.concatenate([batch.patches for batch in learning.engine.predict(bundle, ordered)])

    np.testing.assert_array_equal(given, predicted(learnt))
    # A scan that comes with another probe is reconstructed with that.
    assert bundle.probe_for(scan.probe) is scan.probe
    np.testing.assert_array_equal(other, predicted(scan.probe))
    assert not np.array_equal(other, given)


def test_the_reconstruction_says_which_probe_belongs_to_it(learning: Any, mistaken: Scan, scan: Scan) -> None:
    bundle = learning.train(epochs=2)
    stitchers = [Whole(), Whole()]
    made, other = (
        assemble(learning.engine, bundle, taken, stitcher, SilentProgress()).reconstruction
        for taken, stitcher in zip((mistaken, scan), stitchers, strict=True)
    )
    np.testing.assert_array_equal(made.probe, bundle.probe_for(mistaken.probe))
    np.testing.assert_array_equal(stitchers[0].probe, made.probe)
    assert other.probe is None
    np.testing.assert_array_equal(stitchers[1].probe, scan.probe)


class Whole:
    """A stitcher that only remembers what it was told."""

    def begin(self, canvas: Any, probe: np.ndarray) -> None:
        self.shape, self.probe, self.patches = canvas.shape, probe, []

    def add(self, batch: Any) -> None:
        self.patches.append(batch.patches)

    def another_pass(self) -> bool:
        return False

    def finish(self) -> Any:
        from ptycho_host.contracts import Reconstruction

        return Reconstruction(np.ones(self.shape, np.complex64), np.ones(self.shape, np.float32))
