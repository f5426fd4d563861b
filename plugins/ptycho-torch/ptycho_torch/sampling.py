"""Which patterns make up the steps of an epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.grouping import neighbour_groups
from ptycho_host.errors import InputError

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class GroupSampler:
    """Draws the groups of an epoch from its number alone, so that a resumed run draws the same.

    positions: (M, 2) (y, x) of the scan. training: (T,) patterns to draw from. size: patterns a group. spacing:
    distance between neighbours of a group. reach: the farthest that two members may lie apart along an axis; object
    pixels. Groups beyond it (at gaps of the scan) are left out.
    """

    positions: NDArray[np.float64]
    training: Indices
    size: int
    spacing: float
    reach: float
    seed: int

    @classmethod
    def of_overlapping(
        cls, positions: NDArray[np.float64], training: Indices, size: int, spacing: float, diameter: float, seed: int
    ) -> GroupSampler:
        """Groups that reach no farther than those that the first epoch finds within a probe's `diameter`.

        Where no group does (one pattern, or a scan without overlap) every pattern becomes a group of its own.
        """
        typical = cls(positions, training, size, spacing, diameter, seed).groups(0)
        if len(typical) == 0:
            return cls(positions, training, 1, spacing, 0.0, seed)
        return cls(positions, training, size, spacing, float(_reach(positions[typical]).max()), seed)

    def groups(self, epoch: int) -> Indices:
        """Groups (G, K) of patterns in random order, about T / K of them."""
        rng = np.random.default_rng([self.seed, epoch])
        groups = self.training[neighbour_groups(self.positions[self.training], self.size, self.spacing, rng)]
        fitting = groups[_reach(self.positions[groups]) <= self.reach]
        # In a tiny scan an epoch may draw wide groups only; those of the first are known to fit.
        return fitting if len(fitting) or epoch == 0 else self.groups(0)


def steps_of(groups: Indices, batch_size: int, accumulate: int = 1, rank: int = 0, world: int = 1) -> Indices:
    """The groups (G, K) that process `rank` of `world` takes, (steps, groups a step, K), full steps only.

    A step holds as many groups as make up `batch_size` patterns, at least one; fewer only if there are not enough
    groups for a single step. The number of steps is a multiple of `accumulate` unless it is smaller. Raises InputError
    when there are fewer groups than processes.
    """
    count, size = groups.shape
    if count < world:
        raise InputError(f"{count} groups of patterns cannot be shared by {world} processes; use fewer devices.")
    together = max(1, min(batch_size // size, count // world))
    steps = count // (together * world)
    steps -= steps % accumulate if steps > accumulate else 0
    shared = groups[: steps * together * world].reshape(steps, world, together, size)
    return shared[:, rank]


def _reach(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the positions (G, K, 2) of each group lie apart, the larger axis (G,)."""
    apart: NDArray[np.float64] = np.ptp(positions, axis=1).max(axis=1)
    return apart
