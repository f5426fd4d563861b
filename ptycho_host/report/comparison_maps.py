"""What a comparison shows of its objects: maps inside the region with common colours and limits, and their errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ptycho_host.metrics.alignment import Complex
from ptycho_host.metrics.object_metrics import phase_maps, wrapped_difference
from ptycho_host.metrics.region import Region
from ptycho_host.report.style import AMPLITUDE_MAP, Limits, percentile_limits, phase_colours, symmetric_limits

Map: TypeAlias = NDArray[np.floating[Any]]
Quantity: TypeAlias = Literal["amplitude", "phase"]
QUANTITIES: tuple[Quantity, ...] = ("amplitude", "phase")


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """Amplitude or phase: true map, maps and errors by name (each (h, w)), the maps' colours and limits, their unit."""

    truth: Map | None
    images: Mapping[str, Map]
    errors: Mapping[str, Map]
    colours: str
    limits: Limits
    unit: str = ""

    @property
    def error_limits(self) -> Limits:
        """Symmetric, from the median over the objects of what holds 99 % of an object's errors.

        So a failure does not bleach the errors of all others.
        """
        known = [symmetric_limits(error)[1] for error in self.errors.values() if np.isfinite(error).any()]
        largest = float(np.median(known)) if known else 1.0
        return -largest, largest


def maps_of(quantity: Quantity, objects: Mapping[str, Complex], region: Region, truth: Complex | None) -> Maps:
    """Maps of aligned objects (H, W), by name; a truth (H, W) gives the limits and the errors."""
    return (_amplitudes if quantity == "amplitude" else _phases)(objects, region, truth)


def _amplitudes(objects: Mapping[str, Complex], region: Region, truth: Complex | None) -> Maps:
    images: dict[str, Map] = {name: np.abs(obj[region.slices]) for name, obj in objects.items()}
    if truth is None:
        return Maps(None, images, {}, AMPLITUDE_MAP, percentile_limits(np.stack(list(images.values()))))
    true_map = np.abs(truth[region.slices])
    errors = {name: image - true_map for name, image in images.items()}
    return Maps(true_map, images, errors, AMPLITUDE_MAP, percentile_limits(true_map))


def _phases(objects: Mapping[str, Complex], region: Region, truth: Complex | None) -> Maps:
    """Phases about the mean of the truth, or of the first object without one."""
    inside = {name: obj[region.slices] for name, obj in objects.items()}
    target = next(iter(inside.values())) if truth is None else truth[region.slices]
    target_phase, _ = phase_maps(target, target)
    colours, limits = phase_colours(target_phase)
    # A cyclic map has no room beyond pi, so there the phases must stay wrapped.
    turn = np.exp(1j * (target_phase - np.angle(target)))
    images: dict[str, Map] = {
        name: np.angle(obj * turn) if limits[1] == np.pi else phase_maps(target, obj)[1] for name, obj in inside.items()
    }
    if truth is None:
        return Maps(None, images, {}, colours, limits, "rad")
    errors = {name: wrapped_difference(obj, target) for name, obj in inside.items()}
    return Maps(target_phase, images, errors, colours, limits, "rad")
