"""A known object tells which way the file's axes go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ptycho_host.data.embedded import siemens_star
from ptycho_host.metrics.orientation import orientation


@pytest.fixture(scope="module")
def scan():
    return siemens_star()()


def with_patterns(scan, change):
    return replace(scan, amplitudes=np.ascontiguousarray(change(scan.batch(slice(None)))))


def mirrored(a, axis):
    """The pattern of a mirrored object: the zero frequency stays where it is."""
    return np.roll(np.flip(a, axis), 1, axis)


HEIGHT, WIDTH = 152, 150
WRONG = {
    "axes of the positions": (
        lambda s: replace(s, positions=s.positions[:, ::-1]),
        "x and y of the positions exchanged",
    ),
    "y": (lambda s: replace(s, positions=s.positions * [-1, 1] + [HEIGHT, 0]), "y of the positions reversed"),
    "x": (lambda s: replace(s, positions=s.positions * [1, -1] + [0, WIDTH]), "x of the positions reversed"),
    "both": (lambda s: replace(s, positions=[HEIGHT, WIDTH] - s.positions), "both axes of the positions reversed"),
    "transposed": (
        lambda s: with_patterns(s, lambda a: a.swapaxes(1, 2)),
        "rows and columns of the patterns exchanged",
    ),
    "rows": (lambda s: with_patterns(s, lambda a: mirrored(a, 1)), "rows of the patterns reversed"),
    "columns": (lambda s: with_patterns(s, lambda a: mirrored(a, 2)), "columns of the patterns reversed"),
    "corner": (lambda s: with_patterns(s, lambda a: np.fft.ifftshift(a, axes=(1, 2))), "shifted by half their size"),
    "intensities": (lambda s: with_patterns(s, np.square), "read with values=intensity"),
    "square roots": (lambda s: with_patterns(s, np.sqrt), "read with values=amplitude"),
    "conjugate": (lambda s: replace(s, reference=s.reference.conj()), "complex conjugate"),
}


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_convention_is_found_out(scan, change, words):
    assert words in orientation(change(scan)).suspicion


def test_the_right_one_is_confirmed(scan):
    found = orientation(scan)
    assert found.suspicion is None
    assert found.correlation > 0.98
    assert found.other_correlation < found.correlation - 0.01


def test_bad_pixels_do_not_disturb_it(scan):
    bad = np.zeros((64, 64), dtype=bool)
    bad[40, 20] = True
    hot = with_patterns(scan, lambda a: np.where(bad, 1e4, a))
    assert orientation(replace(hot, bad_pixels=bad)).correlation == pytest.approx(
        orientation(scan).correlation, abs=1e-3
    )
    assert orientation(hot).correlation < 0.5


def test_nothing_is_said_without_an_object(scan):
    assert orientation(replace(scan, reference=None)) is None
