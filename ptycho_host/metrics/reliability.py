"""Uncertainties beside true errors, where the truth is known, and the figures of both."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ptycho_host.contracts import Uncertainty
from ptycho_host.metrics.alignment import Alignment, Complex
from ptycho_host.metrics.object_metrics import wrapped_difference
from ptycho_host.metrics.region import Mask, Region
from ptycho_host.metrics.uncertainty import Map


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Predicted uncertainties beside true errors: pixels in classes of equal number, from certain to uncertain.

    predicted, found: (K,) root mean squares of the uncertainties and of the errors in each class. within: parts of
    all pixels whose error is at most one, two and three uncertainties; 0.68, 0.95 and 0.997 would be due for errors
    that are distributed normally.
    """

    predicted: NDArray[np.float64]
    found: NDArray[np.float64]
    within: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class UncertaintyFigures:
    """The uncertainty of a typical pixel, amplitude in the units of the object and phase in radians.

    amplitude_within, phase_within: part of the pixels whose true error is at most their uncertainty, of which 0.68 is
    due; None without a truth.
    """

    amplitude: float
    phase: float
    amplitude_within: float | None = None
    phase_within: float | None = None

    @classmethod
    def of(
        cls, uncertainty: Uncertainty, region: Region, covered: Mask, errors: tuple[Map, Map] | None = None
    ) -> UncertaintyFigures | None:
        """Medians over covered pixels (H, W) of the region, and parts of its errors (H, W); None if none is known."""
        known = covered & np.isfinite(uncertainty.amplitude) & np.isfinite(uncertainty.phase)
        counted = np.zeros_like(known)
        counted[region.slices] = known[region.slices]
        if not counted.any():
            return None
        maps = [values[counted] for values in (uncertainty.amplitude, uncertainty.phase)]
        amplitude, phase = (float(np.median(values)) for values in maps)
        if errors is None:
            return cls(amplitude, phase)
        within = (float(np.mean(np.abs(error[counted]) <= due)) for error, due in zip(errors, maps, strict=True))
        return cls(amplitude, phase, *within)

    def as_json(self) -> dict[str, float]:
        """The figures that are known, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def true_errors(alignment: Alignment, truth: Complex, counted: Mask) -> tuple[Map, Map]:
    """Errors (H, W) of amplitude, in the units of the object before it was aligned, and of phase in radians.

    NaN outside of the `counted` pixels (H, W).
    """
    aligned = np.where(counted, alignment.object, np.nan)
    return (np.abs(aligned) - np.abs(truth)) / alignment.amplitude_scale, wrapped_difference(aligned, truth)


def reliability(errors: Map, uncertainty: Map, classes: int = 12) -> Reliability | None:
    """How the uncertainties of pixels (…) agree with their true errors (…), NaN left out; None if nothing is left."""
    known = np.isfinite(errors) & np.isfinite(uncertainty) & (uncertainty > 0)
    predicted, found = uncertainty[known].astype(np.float64), np.abs(errors[known]).astype(np.float64)
    if found.size < classes:
        return None
    order = np.argsort(predicted, kind="stable")
    predicted, found = (
        np.array([np.sqrt(np.mean(part**2)) for part in np.array_split(values[order], classes)])
        for values in (predicted, found)
    )
    ratio = np.abs(errors[known]) / uncertainty[known]
    one, two, three = (float(np.mean(ratio <= times)) for times in (1, 2, 3))
    return Reliability(predicted, found, (one, two, three))
