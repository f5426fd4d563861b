"""What Ptychodus's process hands to the one that computes: pickled, so plain values and Ptychodus's own records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptychodus.api.reconstruct import ReconstructInput


@dataclass(frozen=True)
class ReconstructRequest:
    """Reconstruct `parameters` with the trained `model`; `probe_mode` is the one of its probe that is used."""

    parameters: ReconstructInput
    model: Path
    stitch: str
    device: str
    probe_mode: int


@dataclass(frozen=True)
class TrainRequest:
    """Train on what lies in `input_path`; `flags` and `further` settings are those of `ptycho_host.config.resolve`."""

    input_path: Path
    output_path: Path
    flags: Mapping[str, Any]
    further: Sequence[str]
    probe_mode: int
