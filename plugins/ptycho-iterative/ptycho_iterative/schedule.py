"""How often, in what portions and where the patterns of a scan are gone through."""

from __future__ import annotations

from dataclasses import dataclass

from ptycho_host.errors import InputError
from ptycho_iterative.options import (
    BatchSize,
    Device,
    Epochs,
    LastStep,
    Modes,
    Momentum,
    Positions,
    PositionStart,
    Probe,
    ProbeStart,
    Seed,
    Threads,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The options that all refiners have; raises InputError for those that exclude each other."""

    epochs: Epochs = 10
    batch_size: BatchSize = 16
    probe: Probe = "fixed"
    probe_start: ProbeStart = 1
    modes: Modes = 1
    positions: Positions = "fixed"
    position_start: PositionStart = 1
    last_step: LastStep = 0.2
    momentum: Momentum = 0.9
    seed: Seed = 0
    device: Device = "auto"
    threads: Threads = None

    def __post_init__(self) -> None:
        if self.modes > 1 and self.probe != "free":
            raise InputError(
                f"refiner.modes is {self.modes}: set refiner.probe=free too, as no scan holds further modes."
            )

    def shrinkage(self, epoch: int) -> float:
        """Factor on all steps in an epoch, from 1: it falls geometrically over the last quarter.

        Steps that stay long end in a mean over the last few patterns only, with their noise.
        """
        first = (1 + 3 * self.epochs) / 4
        return self.last_step ** (max(epoch - first, 0) / max(self.epochs - first, 1))

    def probe_changes(self, epoch: int) -> bool:
        """Whether the probe is refined in an epoch, from 1."""
        return self.probe == "free" and epoch >= self.probe_start

    def positions_change(self, epoch: int) -> bool:
        """Whether positions are refined in an epoch, from 1."""
        return self.positions == "free" and epoch >= self.position_start
