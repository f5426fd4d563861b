"""Immutable records that observers of a run receive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ptycho_host.contracts import Reconstruction
    from ptycho_host.data.scan import Scan


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
class Preview:
    """`reconstruction`: the object of `scan` with the weights of one epoch, not refined."""

    scan: Scan
    reconstruction: Reconstruction


def _no_preview() -> Preview:
    raise RuntimeError("no weights came with this epoch, so there is nothing to look at yet.")


@dataclass(frozen=True, slots=True)
class EpochFinished:
    """`directory`: the run directory; `report`: the epoch's figures; `preview`: what the run would reconstruct now.

    A preview takes one pass over all patterns. It is made when an observer asks, once for all of them, and leaves the
    training as it was. Raises RuntimeError for an observer that asks after its hook, when the weights are gone, and
    where an engine hands over none.
    """

    directory: Path
    report: EpochReport
    preview: Callable[[], Preview] = field(default=_no_preview, repr=False, compare=False)


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
