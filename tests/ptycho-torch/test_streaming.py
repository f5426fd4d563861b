"""Training and prediction from a source that is read in the background: the same numbers, and its errors come out."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from ptycho_host.data.scan import Scan
from ptycho_host.data.streaming import with_cache
from ptycho_host.errors import DataError
from ptycho_torch.steps import FabricSteps


@dataclass
class Disk:
    """A source that counts reads and may fail after some."""

    array: np.ndarray
    fails_after: int = 10**9
    readers: list[str] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def __getitem__(self, index: Any, /) -> np.ndarray:
        self.readers.append(threading.current_thread().name)
        if len(self.readers) > self.fails_after:
            raise DataError("scan.h5: amplitudes cannot be read from pattern 7 on; copy the file anew.")
        return self.array[index]


def on_disk(scan: Scan, **settings: Any) -> Scan:
    return replace(scan, amplitudes=Disk(np.asarray(scan.amplitudes), **settings))


@pytest.mark.parametrize("budget", [0, 30 * 4096, 10**9], ids=["no cache", "some", "all"])
def test_training_from_disk_gives_the_same_weights(laboratory: Any, scan: Scan, budget: int) -> None:
    expected = laboratory.train(accumulate=2)
    found = laboratory.train(scan=with_cache(on_disk(scan), budget), accumulate=2)
    for name, weights in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name], weights)


def test_prediction_from_disk_gives_the_same_patches(laboratory: Any, scan: Scan) -> None:
    bundle = laboratory.train(epochs=1)
    expected = list(laboratory.engine.predict(bundle, scan))
    found = list(laboratory.engine.predict(bundle, on_disk(scan)))
    assert len(expected) == len(found)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one.patches, other.patches)
        np.testing.assert_array_equal(one.positions, other.positions)


def test_batches_are_read_in_the_background(laboratory: Any, scan: Scan) -> None:
    stored = on_disk(scan)
    laboratory.train(scan=stored, validation_fraction=0.0, epochs=3)
    background = [name for name in stored.amplitudes.readers if name.startswith("reading")]
    # Twelve groups of four make three batches of 16 patterns; the rest is the scale and the look at collapsing.
    assert len(background) == 3 * 3


@pytest.mark.parametrize("fails_after", [1, 3, 6])
def test_what_goes_wrong_while_reading_ahead_comes_out_as_it_is(laboratory: Any, scan: Scan, fails_after: int) -> None:
    with pytest.raises(DataError, match="from pattern 7 on"):
        laboratory.train(scan=on_disk(scan, fails_after=fails_after), epochs=5)


def test_no_thread_outlives_its_work(laboratory: Any, scan: Scan) -> None:
    before = set(threading.enumerate())
    bundle = laboratory.train(scan=on_disk(scan), epochs=1)
    stream = laboratory.engine.predict(bundle, scan)
    next(stream)
    stream.close()
    assert _reading_since(before) == []


def test_no_thread_outlives_work_that_fails(laboratory: Any, scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    step = FabricSteps.step

    def only_step(*arguments: Any) -> None:
        step(*arguments)
        raise ZeroDivisionError

    before = set(threading.enumerate())
    monkeypatch.setattr(FabricSteps, "step", only_step)
    # The traceback in `failure` holds every frame, and so all that ends with one.
    with pytest.raises(ZeroDivisionError) as failure:
        laboratory.train(scan=on_disk(scan), epochs=1)
    assert _reading_since(before) == [], failure


def _reading_since(before: set[threading.Thread]) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("reading") and thread not in before]
