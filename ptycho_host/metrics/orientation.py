"""Whether a known object explains the patterns as the file has them, or better under another convention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.scan import Scan
from ptycho_host.physics.bad_pixels import without_bad_pixels
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.patches import extract_patches

SAMPLE = 48
"""Patterns that are compared, evenly spread over the scan."""
CLEARLY = 0.01
"""By how much another convention must correlate better before it is worth a word."""
Stack = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Orientation:
    """Correlation (Pearson, over all pixels) of measured amplitudes with those of the known object.

    other: the convention that correlates best of all the others, with what to do about it.
    """

    correlation: float
    other: str
    remedy: str
    other_correlation: float

    @property
    def suspicion(self) -> str | None:
        """One sentence if another convention explains the patterns clearly better."""
        if self.other_correlation < self.correlation + CLEARLY:
            return None
        return (
            f"the known object explains the patterns better with {self.other} (correlation "
            f"{self.other_correlation:.3f} against {self.correlation:.3f}): {self.remedy}."
        )


def orientation(scan: Scan) -> Orientation | None:
    """What the known object says of axes, directions and values of the scan; None where no object is known."""
    obj = scan.truth if scan.truth is not None else scan.reference
    if obj is None:
        return None
    indices = np.unique(np.linspace(0, scan.count - 1, min(SAMPLE, scan.count)).round().astype(np.int64))
    measured, positions = scan.batch(indices), scan.positions[indices]

    def predicted(at: NDArray[np.float64], of: NDArray[Any] = obj) -> Stack | None:
        try:
            return diffraction_amplitude(extract_patches(of, at, scan.pixels), scan.probe)
        except IndexError:
            return None

    def correlation(one: Stack | None, other: Stack) -> float:
        if one is None:
            return -1.0
        a, b = (without_bad_pixels(side, scan.bad_pixels).ravel().astype(np.float64) for side in (one, other))
        return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else -1.0

    as_it_is = predicted(positions)
    height, width = obj.shape
    turned = {
        "x and y of the positions exchanged": positions[:, ::-1],
        "y of the positions reversed": positions * [-1, 1] + [height, 0],
        "x of the positions reversed": positions * [1, -1] + [0, width],
        "both axes of the positions reversed": [height, width] - positions,
    }
    found = [(name, "mend the positions", correlation(predicted(at), measured)) for name, at in turned.items()]
    for name, remedy, seen in _other_patterns():
        found.append((name, remedy, correlation(as_it_is, seen(measured))))
    found.append(
        ("the complex conjugate", "conjugate the object", correlation(predicted(positions, obj.conj()), measured))
    )
    name, remedy, best = max(found, key=lambda candidate: candidate[2])
    return Orientation(correlation(as_it_is, measured), name, remedy, best)


def _other_patterns() -> list[tuple[str, str, Callable[[Stack], Stack]]]:
    """What patterns could have been meant to be."""
    mend, corner = "mend the patterns' axes", "the zero frequency is in the corner; read with zero_frequency=corner"
    return [
        ("rows and columns of the patterns exchanged", mend, lambda a: a.swapaxes(1, 2)),
        ("rows of the patterns reversed", mend, lambda a: np.roll(a[:, ::-1], 1, axis=1)),
        ("columns of the patterns reversed", mend, lambda a: np.roll(a[:, :, ::-1], 1, axis=2)),
        ("patterns shifted by half their size", corner, lambda a: np.fft.fftshift(a, axes=(1, 2))),
        (
            "square roots of the patterns",
            "they are intensities; read with values=intensity (NPZ: --reader ptychopinn)",
            np.sqrt,
        ),
        ("squares of the patterns", "they are amplitudes; read with values=amplitude", np.square),
    ]
