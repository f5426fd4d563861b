"""Everything measured on one run: the content of `metrics.json`."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from ptycho_host.contracts import RefinementEpoch
from ptycho_host.metrics.diffraction import DiffractionAgreement
from ptycho_host.metrics.memory import UNKNOWN_PEAK
from ptycho_host.metrics.object_metrics import ObjectMetrics
from ptycho_host.metrics.region import Region
from ptycho_host.metrics.reliability import UncertaintyFigures


@dataclass(frozen=True, slots=True)
class TrainingFigures:
    """How training went; `final_loss` is the last epoch's validation loss, or the training loss without one.

    peak_memory_mib: the largest resident memory of the (first) process until the end of the training, in MiB, data
    and libraries included, a GPU's memory not (`ptycho_host.metrics.memory`); None where it is not known.
    """

    epochs: int
    patterns_per_second: float
    seconds: float
    final_loss: float | None
    collapsed: bool
    peak_memory_mib: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The figures by name, and `reasons` where the memory is not known."""
        known = self.peak_memory_mib is not None
        return asdict(self) | ({} if known else {"reasons": {"peak_memory_mib": UNKNOWN_PEAK}})


@dataclass(frozen=True, slots=True)
class ReconstructionFigures:
    """How fast the object came out: all of prediction, stitching and refinement."""

    patterns_per_second: float
    seconds: float


@dataclass(frozen=True, slots=True)
class RefinementFigures:
    """How the iterative refinement went: its seconds, and its epochs one by one."""

    seconds: float
    history: tuple[RefinementEpoch, ...]

    def as_json(self) -> dict[str, Any]:
        """Number of epochs, seconds, residual of the first and of the last epoch, and all of them as `history`."""
        return {
            "epochs": len(self.history),
            "seconds": self.seconds,
            "first_residual": self.history[0].residual,
            "last_residual": self.history[-1].residual,
            "history": [asdict(epoch) for epoch in self.history],
        }


@dataclass(frozen=True, slots=True)
class RunMetrics:
    """All blocks of `metrics.json`; a block that does not apply (no truth, no training) is None and left out.

    region: where the object was judged. object: against the truth. diffraction: against the measurement.
    held_out: single-pattern predictions of patterns kept out of training. refinement: where the refiner tells of it.
    uncertainty: where the object has one.
    """

    region: Region | None = None
    object: ObjectMetrics | None = None
    diffraction: DiffractionAgreement | None = None
    held_out: DiffractionAgreement | None = None
    training: TrainingFigures | None = None
    reconstruction: ReconstructionFigures | None = None
    refinement: RefinementFigures | None = None
    uncertainty: UncertaintyFigures | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, every number finite: what is not a number is null with a reason beside it."""
        blocks: dict[str, Any] = {}
        if self.region is not None:
            blocks["region"] = self.region.as_json()
        if self.object is not None:
            blocks |= self.object.as_json()
        for name, agreement in (("diffraction", self.diffraction), ("held_out", self.held_out)):
            if agreement is not None:
                blocks[name] = agreement.as_json()
        if self.uncertainty is not None:
            blocks["uncertainty"] = self.uncertainty.as_json()
        if self.training is not None:
            blocks["training"] = self.training.as_json()
        if self.reconstruction is not None:
            blocks["reconstruction"] = asdict(self.reconstruction)
        if self.refinement is not None:
            blocks["refinement"] = self.refinement.as_json()
        return {name: _finite(block) for name, block in blocks.items()}


def _finite(block: dict[str, Any]) -> dict[str, Any]:
    """The block with non-finite numbers replaced by None, and the reason under `reasons`."""
    strange = [name for name, value in block.items() if isinstance(value, float) and not math.isfinite(value)]
    if not strange:
        return block
    reasons = {name: f"the value was {block[name]}" for name in strange}
    return block | dict.fromkeys(strange) | {"reasons": {**block.get("reasons", {}), **reasons}}
