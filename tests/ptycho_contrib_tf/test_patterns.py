"""Patterns on their way from a scan to the generator."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ptycho_contrib_tf.consistency import GroupMerger
from ptycho_contrib_tf.patterns import AMPLITUDE, COORDINATES, TRUTH, PatternFeed
from ptycho_host.data.scan import Scan
from ptycho_host.physics.intensity import IntensityScale

STEPS = np.random.default_rng(0).integers(0, 49, size=(6, 2, 3, 4))


def feed_of(scan: Scan, channels: int = 1) -> PatternFeed:
    scale = IntensityScale.of(scan)
    merger = GroupMerger(scale.model_probe(scan.probe), scan.positions, 60.0)
    return PatternFeed(scan, scale, channels, scale.model_object(scan.truth), merger)


@pytest.mark.parametrize("channels", [1, 4])
def test_the_stream_is_what_would_be_read(scan: Scan, channels: int) -> None:
    feed = feed_of(scan, channels)
    streamed = list(feed.stream(STEPS))
    assert len(streamed) == len(STEPS)
    for tensors, batches in zip(streamed, STEPS, strict=True):
        arrays = feed.read(batches)
        assert tensors.keys() == arrays.keys() == {AMPLITUDE, TRUTH, COORDINATES}
        for name, array in arrays.items():
            np.testing.assert_array_equal(tensors[name], array)
    assert streamed[0][AMPLITUDE].shape == (2, 12 // channels, channels, 32, 32)
    assert streamed[0][COORDINATES].shape == (2, 3, 4, 2)


def test_model_units_have_root_mean_square_one(scan: Scan) -> None:
    amplitude = feed_of(scan).amplitude(np.arange(49)[:, None])
    assert np.sqrt(np.mean(amplitude.astype(np.float64) ** 2)) == pytest.approx(1, abs=1e-6)


def test_patterns_are_read_ahead_by_another_thread(scan: Scan) -> None:
    """While the first step is looked at, the next ones arrive; not all of them at once."""
    third = threading.Event()
    readers = []

    class Watched:
        shape = scan.amplitudes.shape

        def __getitem__(self, index: Any) -> np.ndarray:
            readers.append(threading.current_thread())
            if len(readers) == 3:
                third.set()
            return scan.amplitudes[index]

    watched = replace(scan, amplitudes=Watched())
    steps = np.zeros((50, 1, 1, 4), dtype=np.int64)
    stream = PatternFeed(watched, IntensityScale.of(scan)).stream(steps)
    next(stream)
    assert third.wait(timeout=30)
    assert threading.main_thread() not in readers
    assert len(readers) < len(steps)
    stream.close()
