"""A scan reads its patterns only when asked, knows its canvas, and tells other data from itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ptycho_host.data.scan import Scan

N = 8


class CountingSource:
    """Patterns that keep a list of what was read."""

    def __init__(self, array):
        self.array = array
        self.read = []

    @property
    def shape(self):
        return self.array.shape

    def __getitem__(self, index):
        block = self.array[index]
        self.read.append(len(block))
        return block


def make_scan(count=10, **changes):
    rng = np.random.default_rng(0)
    scan = Scan(
        amplitudes=rng.integers(1, 400, size=(count, N, N)).astype(np.uint16),
        positions=rng.uniform(N, 3 * N, size=(count, 2)),
        probe=(rng.normal(size=(N, N)) + 1j).astype(np.complex64),
    )
    return replace(scan, **changes)


def test_batches_are_single_precision_in_the_order_asked_for():
    scan = make_scan()
    for index in (np.array([7, 0, 7]), slice(2, 5)):
        batch = scan.batch(index)
        assert batch.dtype == np.float32
        np.testing.assert_array_equal(batch, scan.amplitudes[index])
    assert (scan.count, scan.pixels) == (10, N)


def test_a_subset_reads_nothing_until_a_batch_is_asked_for():
    source = CountingSource(make_scan(100).amplitudes)
    scan = make_scan(100, amplitudes=source)
    half = scan.subset(np.arange(0, 100, 2)).subset(np.array([40, 3, 3, 20]))
    assert (half.count, half.pixels, half.canvas_shape()) == (4, N, half.canvas_shape())
    assert source.read == []
    batch = half.batch(np.array([1, 0]))
    assert source.read == [2]
    np.testing.assert_array_equal(batch, source.array[[6, 80]])
    np.testing.assert_array_equal(half.positions, scan.positions[[80, 6, 6, 40]])


def test_a_subset_keeps_probe_object_and_name():
    scan = make_scan(truth=np.ones((30, 31), dtype=np.complex64), name="lines", metadata={"photons": 1e9})
    part = scan.subset(np.array([1, 2]))
    assert part.truth is scan.truth
    assert part.probe is scan.probe
    assert (part.name, part.metadata, part.canvas_shape()) == ("lines", {"photons": 1e9}, (30, 31))


def test_a_subset_by_slice_of_a_subset():
    scan = make_scan()
    part = scan.subset(np.array([9, 4, 2]))
    np.testing.assert_array_equal(part.batch(slice(1, None)), scan.amplitudes[[4, 2]])


def changed(array, index):
    copy = np.array(array)
    copy[index] = np.nextafter(copy[index].real, np.inf) if copy.dtype.kind != "u" else copy[index] + 1
    return copy


@pytest.mark.parametrize("count", [1, 10, 64])
def test_the_fingerprint_changes_with_every_number_of_a_small_scan(count):
    scan = make_scan(count)
    others = [replace(scan, amplitudes=changed(scan.amplitudes, (index, 3, 5))) for index in range(count)]
    others += [replace(scan, positions=changed(scan.positions, (index, 1))) for index in range(count)]
    others += [replace(scan, probe=changed(scan.probe, index)) for index in np.ndindex(N, N)]
    fingerprints = {scan.fingerprint(), *(other.fingerprint() for other in others)}
    assert len(fingerprints) == 1 + len(others)


def test_the_fingerprint_changes_with_order_and_number_of_patterns():
    scan = make_scan(200)
    parts = [np.arange(200), np.arange(200)[::-1], np.arange(199), np.arange(0, 200, 2)]
    assert len({scan.subset(part).fingerprint() for part in parts}) == len(parts)


def test_the_fingerprint_of_a_long_scan_covers_both_ends_and_a_sample_between():
    scan = make_scan(1000)
    found = {replace(scan, amplitudes=changed(scan.amplitudes, (i, 0, 0))).fingerprint() for i in range(0, 1000, 37)}
    assert scan.fingerprint() != replace(scan, amplitudes=changed(scan.amplitudes, (0, 0, 0))).fingerprint()
    assert scan.fingerprint() != replace(scan, amplitudes=changed(scan.amplitudes, (999, 0, 0))).fingerprint()
    assert len(found) > 1


def test_the_fingerprint_is_that_of_the_data_not_of_where_they_lie():
    scan = make_scan(100)
    same = replace(
        scan,
        amplitudes=scan.amplitudes.astype(np.float64),
        probe=np.asfortranarray(scan.probe),
        positions=np.asfortranarray(scan.positions),
        name="other",
        metadata={"a": 1},
    )
    assert same.fingerprint() == scan.fingerprint()
    assert scan.subset(np.arange(100)).fingerprint() == scan.fingerprint()


def test_the_canvas_is_that_of_the_known_object():
    reference = np.ones((40, 50), dtype=np.complex64)
    truth = np.ones((41, 52), dtype=np.complex64)
    assert make_scan(reference=reference).canvas_shape() == (40, 50)
    assert make_scan(reference=reference, truth=truth).canvas_shape() == (41, 52)


@pytest.mark.parametrize("last", [(20.0, 30.0), (20.25, 30.75), (20.999, 30.001)])
def test_without_an_object_the_canvas_just_holds_every_patch(last):
    scan = make_scan(2, positions=np.array([[5.0, 5.0], last]))
    for side, position in zip(scan.canvas_shape(), last, strict=True):
        last_pixel = position + N / 2 - 1
        # Cubic interpolation reaches one pixel further than linear: two beyond the last coordinate.
        needed = int(last_pixel) + 1 if last_pixel.is_integer() else int(last_pixel) + 3
        assert needed <= side <= needed + 1
