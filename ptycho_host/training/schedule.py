"""How the learning rate changes while training goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ptycho_host.config import TrainOptions

RISE_FROM = 0.1
"""Rate at the first step of the warm-up, over the peak."""
PLATEAU_FACTOR = 0.5
PLATEAU_PATIENCE = 2


@dataclass
class Plateau:
    """Halves the rate when the validation loss has not improved for more than `PLATEAU_PATIENCE` epochs."""

    factor: float = 1.0
    best: float | None = None
    waited: int = 0

    def update(self, loss: float, floor: float) -> None:
        """Take the loss of one more epoch; the factor never falls below `floor`."""
        if self.best is None or loss < self.best:
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > PLATEAU_PATIENCE:
            self.factor, self.waited = max(self.factor * PLATEAU_FACTOR, floor), 0


def learning_rate(options: TrainOptions, progress: float, epoch: int, plateau: Plateau) -> float:
    """The rate after the fraction `progress` of training (0 to 1), in `epoch` (from 0)."""
    match options.scheduler:
        case "constant":
            factor = 1.0
        case "exponential":
            factor = options.decay**epoch
        case "plateau":
            factor = plateau.factor
        case "warmup_cosine" if progress < options.warmup:
            factor = RISE_FROM + (1 - RISE_FROM) * progress / options.warmup
        case "warmup_cosine":
            fall = min((progress - options.warmup) / (1 - options.warmup), 1.0)
            factor = options.floor + (1 - options.floor) * (1 + math.cos(math.pi * fall)) / 2
    return options.learning_rate * factor
