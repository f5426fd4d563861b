"""Which patterns make up the steps of an epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptycho_host.contracts import Bundle, TrainingProblem
from ptycho_host.data.grouping import groups_around, neighbour_groups
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError
from ptycho_host.physics.illumination import probe_diameter

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
    def for_problem(cls, problem: TrainingProblem) -> GroupSampler:
        """Groups as the options of the problem ask; a generator of several channels sees whole groups.

        Raises InputError when it does and no group of overlapping patterns can be made.
        """
        options, channels = problem.options, problem.channels
        diameter = probe_diameter(problem.scan.probe)
        together = options.group_size if options.group_weight > 0 else 1
        size = channels if channels > 1 else min(together, len(problem.training))
        if size <= len(problem.training):
            sampler = cls.of_overlapping(
                problem.scan.positions,
                problem.training,
                size,
                options.group_spacing * diameter,
                diameter,
                problem.seed,
            )
            if channels in (1, sampler.size):
                return sampler
        raise InputError(
            f"data.gridsize needs groups of {channels} overlapping patterns, and scan '{problem.scan.name}' has none; "
            "set data.gridsize=1."
        )

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
    """The groups (G, K) that process `rank` of `world` takes: (steps, batches a step, groups a batch, K), full ones.

    A batch holds as many groups as make up `batch_size` patterns, at least one; fewer only if there are not enough
    groups for a single batch. A step sums the gradients of `accumulate` batches, or of as many as an epoch has.
    Raises InputError when there are fewer groups than processes.
    """
    count, size = groups.shape
    if count < world:
        raise InputError(f"{count} groups of patterns cannot be shared by {world} processes; use fewer devices.")
    together = max(1, min(batch_size // size, count // world))
    batches = count // (together * world)
    summed = min(accumulate, batches)
    steps = batches // summed
    used = groups[: steps * summed * together * world]
    return used.reshape(steps, summed, world, together, size)[:, :, rank]


def prediction_groups(bundle: Bundle, scan: Scan) -> Indices:
    """What the generator sees of each pattern of `scan`: groups (M, C), the pattern first, neighbours as in training.

    Raises InputError when the scan has fewer patterns than a group.
    """
    channels = bundle.shape.channels
    if channels > scan.count:
        raise InputError(
            f"the run was trained on groups of {channels} patterns and scan '{scan.name}' has {scan.count}; "
            "give a larger scan, or train with data.gridsize=1."
        )
    anchors = np.arange(scan.count, dtype=np.int64)
    if channels == 1:
        return anchors[:, None]
    spacing = bundle.facts["group_spacing"] * probe_diameter(scan.probe)
    return groups_around(scan.positions, anchors, channels, spacing, np.random.default_rng(0))


def _reach(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the positions (G, K, 2) of each group lie apart, the larger axis (G,)."""
    apart: NDArray[np.float64] = np.ptp(positions, axis=1).max(axis=1)
    return apart
