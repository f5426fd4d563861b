"""Which patterns make up the steps of an epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host.config import TrainOptions
from ptycho_host.configured import scope_of
from ptycho_host.contracts import Bundle, TrainingProblem
from ptycho_host.data.grouping import Arrangement, Lattice, Nearest, draw_groups, extents
from ptycho_host.data.scan import Scan
from ptycho_host.errors import BundleError, InputError, quoted
from ptycho_host.physics.illumination import probe_diameter

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class GroupSampler:
    """Draws the groups of an epoch from its number alone, so that a resumed run draws the same.

    positions: (M, 2) (y, x) of the scan. training: (T,) patterns to draw from. size: patterns a group. arrangement:
    how they lie to each other. count: groups to draw. reach: the farthest that two members may lie apart along an
    axis; object pixels. Groups beyond it (at gaps of the scan) are left out.
    """

    positions: NDArray[np.float64]
    training: Indices
    size: int
    arrangement: Arrangement
    count: int
    reach: float
    seed: int

    @classmethod
    def for_problem(cls, problem: TrainingProblem) -> GroupSampler:
        """Groups as the options of the problem ask; a generator of several channels sees whole groups.

        Groups that are merged must overlap; regions, for a generator of whole scans, may be as wide as they come.

        Raises InputError when what they ask for cannot be had, among it groups of overlapping patterns for such a
        generator.
        """
        options, channels = problem.options, problem.channels
        regions = problem.scope == "scan"
        together = options.group_size if options.group_weight > 0 or regions else 1
        size = channels if channels > 1 else min(together, len(problem.training))
        if size <= len(problem.training):
            _check(options, size, len(problem.training))
            diameter = probe_diameter(problem.scan.probe)
            sampler = cls.of_overlapping(
                problem.scan.positions,
                problem.training,
                size,
                _arrangement(grouping_facts(options, size), diameter),
                math.inf if regions else diameter,
                problem.seed,
                options.n_groups,
            )
            if channels in (1, sampler.size):
                return sampler
        raise InputError(
            f"data.gridsize needs groups of {channels} overlapping patterns, and scan '{problem.scan.name}' has none; "
            "set data.gridsize=1."
        )

    @classmethod
    def of_overlapping(
        cls,
        positions: NDArray[np.float64],
        training: Indices,
        size: int,
        arrangement: Arrangement,
        diameter: float,
        seed: int,
        count: int | None = None,
    ) -> GroupSampler:
        """Groups that reach no farther than a probe's `diameter` (infinite: any), nor than the arrangement makes them.

        `count` groups an epoch, or as many as hold each pattern once. Where none of the first epoch reaches no
        farther (one pattern, or a scan without overlap) every pattern becomes a group of its own.
        """
        asked = count or len(training) // size
        typical = cls(positions, training, size, arrangement, asked, diameter, seed).groups(0)
        if len(typical) == 0:
            alone = min(count or len(training), len(training))
            return cls(positions, training, 1, arrangement, alone, 0.0, seed)
        places = positions[training]
        reach = min(arrangement.widest(places, np.searchsorted(training, typical)), diameter)
        return cls(positions, training, size, arrangement, asked, reach, seed)

    def groups(self, epoch: int) -> Indices:
        """Groups (G, K) of patterns in random order, G up to `count`, each pattern as a rule about as often."""
        rng = np.random.default_rng([self.seed, epoch])
        places = self.positions[self.training]
        groups = self.training[draw_groups(self.arrangement, places, self.size, self.count, rng)]
        fitting = groups[extents(self.positions[groups]) <= self.reach]
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


def fits(bundle: Bundle, scan: Scan) -> bool:
    """Whether the patterns have the size of those of training, or a generator of whole scans takes them in any size."""
    return scan.pixels == bundle.shape.pixels or scope_of(bundle.generator) == "scan"


def prediction_groups(bundle: Bundle, scan: Scan) -> Indices:
    """What the generator sees of each pattern of `scan`: groups (M, C), the pattern first, neighbours as in training.

    Raises BundleError when the patterns have another size than those of training, unless the generator makes objects of
    whole regions, and InputError when the scan has fewer of them than a group.
    """
    pixels, channels = bundle.shape.pixels, bundle.shape.channels
    if not fits(bundle, scan):
        raise BundleError(
            f"the bundle was trained on patterns of {pixels} x {pixels} pixels, those of scan '{scan.name}' have "
            f"{scan.pixels} x {scan.pixels}; train on patterns of that size."
        )
    if channels > scan.count:
        raise InputError(
            f"the run was trained on groups of {channels} patterns and scan '{scan.name}' has {scan.count}; "
            "give a larger scan, or train with data.gridsize=1."
        )
    anchors = np.arange(scan.count, dtype=np.int64)
    if channels == 1:
        return anchors[:, None]
    arrangement = _arrangement(bundle.facts, probe_diameter(scan.probe))
    return arrangement.around(scan.positions, anchors, channels, np.random.default_rng(0))


def grouping_facts(options: TrainOptions, size: int) -> dict[str, Any]:
    """What a bundle must keep to see new patterns in groups of `size` such as those of training."""
    neighbours = options.neighbour_pool_size if options.enable_oversampling else None
    return {
        "grouping": options.grouping,
        "group_spacing": options.group_spacing,
        "neighbour_count": neighbours or options.neighbour_count or size,
    }


def _arrangement(facts: Mapping[str, Any], diameter: float) -> Arrangement:
    # Bundles from before there was a choice have lattices.
    if facts.get("grouping", "lattice") == "nearest":
        return Nearest(facts["neighbour_count"])
    return Lattice(facts["group_spacing"] * diameter)


def _check(options: TrainOptions, size: int, patterns: int) -> None:
    """Raise InputError when groups of `size` cannot be drawn from so many training patterns as the options ask."""
    settings = {
        "neighbour_count": options.neighbour_count is not None,
        "neighbour_pool_size": options.neighbour_pool_size is not None,
        "enable_oversampling": options.enable_oversampling,
    }
    strange = [f"train.{name}" for name, is_set in settings.items() if is_set]
    if strange and options.grouping == "lattice":
        raise InputError(f"only grouping by nearest patterns knows {quoted(strange)}; set train.grouping=nearest.")
    if options.neighbour_pool_size is not None and not options.enable_oversampling:
        raise InputError(
            "train.neighbour_pool_size is for oversampling; set train.enable_oversampling=true, or use "
            "train.neighbour_count."
        )
    named = "neighbour_pool_size" if options.neighbour_pool_size is not None else "neighbour_count"
    asked: int | None = getattr(options, named)
    # Out of as many neighbours as a group has members, there is more than one choice.
    least = size if options.enable_oversampling and size > 1 else size - 1
    if asked is not None and not least <= asked < patterns:
        raise InputError(
            f"train.{named} is {asked}, and groups of {size} out of {patterns} training patterns need one from {least} "
            f"to {patterns - 1}; set it so."
        )
    if options.n_groups is None:
        return
    if not options.enable_oversampling:
        most, remedy = patterns, "set train.grouping=nearest and train.enable_oversampling=true"
    else:
        choices = math.comb(min(asked or size, patterns - 1), size - 1)
        most, remedy = patterns * choices, "raise train.neighbour_pool_size"
    if options.n_groups > most:
        raise InputError(
            f"train.n_groups is {options.n_groups}, and {patterns} training patterns make {most} distinct groups of "
            f"{size}; {remedy}, or ask for fewer."
        )
