"""Immutable records that observers of a run receive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ptycho_host.contracts import Reconstruction


@dataclass(frozen=True, slots=True)
class EpochReport:
    """One epoch of training, as written to `history.jsonl`.

    Losses are means over the epoch; `gradient_norm` and `clipped` are means of the clipper's reports;
    `collapsed` is True when the predicted patches hardly differ between different patterns.
    """

    epoch: int
    training_loss: float
    validation_loss: float | None
    learning_rate: float
    gradient_norm: float
    clipped: float
    seconds: float
    patterns_per_second: float
    collapsed: bool


@dataclass(frozen=True, slots=True)
class RunStarted:
    """`directory`: the run directory; `config`: the resolved configuration as plain values."""

    directory: Path
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EpochFinished:
    """`directory`: the run directory; `report`: the epoch's figures."""

    directory: Path
    report: EpochReport


@dataclass(frozen=True, slots=True)
class ReconstructionReady:
    """`path`: the product file; `metrics`: what was measured on it, as in `metrics.json`."""

    directory: Path
    path: Path
    reconstruction: Reconstruction
    metrics: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunFinished:
    """`outcome`: how the run ended; `message`: why, when it did not end well."""

    directory: Path
    outcome: Literal["done", "failed", "interrupted"]
    message: str = ""
