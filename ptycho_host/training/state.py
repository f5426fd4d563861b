"""The state of a training: what a checkpoint holds besides the tensors, and what a bundle says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ptycho_host.contracts import TrainingProblem
from ptycho_host.errors import BundleError
from ptycho_host.physics.illumination import probe_diameter
from ptycho_host.runs.checkpoint import load_checkpoint, save_checkpoint
from ptycho_host.training.sampling import grouping_facts
from ptycho_host.training.schedule import Plateau

Arrays = Mapping[str, NDArray[Any]]


@dataclass
class TrainingState:
    """Everything about a training apart from the tensors. `epoch` counts finished epochs, `seconds` all training."""

    seed: int
    epoch: int = 0
    patterns: int = 0
    seconds: float = 0.0
    training_loss: float | None = None
    validation_loss: float | None = None
    best_loss: float | None = None
    best_epoch: int = 0
    collapsed: bool = False
    setbacks: int = 0
    rate_factor: float = 1.0
    plateau: Plateau = field(default_factory=Plateau)

    def facts(self, problem: TrainingProblem) -> dict[str, Any]:
        """What a bundle keeps; the engine adds what it knows of the generator."""
        return {
            "epochs": self.epoch,
            "final_loss": self.training_loss,
            "validation_loss": self.validation_loss,
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "collapsed": self.collapsed,
            "setbacks": self.setbacks,
            "training_patterns": len(problem.training),
            "held_out_patterns": len(problem.held_out),
            "probe_diameter": probe_diameter(problem.scan.probe),
            **grouping_facts(problem.options, problem.channels),
            "seconds": self.seconds,
            "patterns_per_second": self.patterns / self.seconds if self.seconds else None,
        }


@dataclass(frozen=True)
class Snapshot:
    """A moment of training: copies of all tensors and of the state, which training does not touch any more."""

    arrays: Arrays
    values: Mapping[str, Any]

    @classmethod
    def of(cls, arrays: Arrays, state: TrainingState) -> Snapshot:
        """The arrays, which must be copies, and a copy of the state."""
        return cls(arrays, asdict(state))

    def write(self, path: Path) -> None:
        """Write all that `read_snapshot` needs to go on with exactly the same numbers."""
        save_checkpoint(path, self.arrays, self.values)


def read_snapshot(path: Path) -> tuple[Arrays, TrainingState]:
    """The arrays and the state in a checkpoint; raises BundleError when it is no checkpoint of a training."""
    arrays, values = load_checkpoint(path)
    try:
        return arrays, TrainingState(**{**values, "plateau": Plateau(**values["plateau"])})
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{path} does not fit this run ({error}); delete it to start anew.") from error
