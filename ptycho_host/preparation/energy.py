"""The probe's energy, which carries the dose and which no step changes unless it changes the photons."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.scan import ComplexArray
from ptycho_host.errors import DataError


def with_energy_of(old: ComplexArray, new: NDArray[np.complexfloating[Any, Any]]) -> ComplexArray:
    """`new`, scaled to the sum |P|^2 of `old`; raises DataError for a probe that is zero."""
    energies = [float(np.sum(np.abs(probe.astype(np.complex128)) ** 2)) for probe in (old, new)]
    if not energies[1] > 0:
        raise DataError("the new probe is zero everywhere; use a milder step.")
    scaled: ComplexArray = (new * np.sqrt(energies[0] / energies[1])).astype(np.complex64)
    return scaled
