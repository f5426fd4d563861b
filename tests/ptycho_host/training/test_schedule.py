"""Learning rates over time."""

from __future__ import annotations

from typing import Any

import pytest

from ptycho_host.config import TrainOptions
from ptycho_host.training.schedule import Plateau, learning_rate


def rate(progress: float, epoch: int = 0, plateau: Plateau | None = None, **options: Any) -> float:
    return learning_rate(TrainOptions(learning_rate=1.0, **options), progress, epoch, plateau or Plateau())


def test_warm_up_rises_to_the_peak_and_cosine_falls_to_the_floor() -> None:
    options = {"scheduler": "warmup_cosine", "warmup": 0.1, "floor": 0.02}
    assert rate(0.0, **options) == pytest.approx(0.1)
    assert rate(0.05, **options) == pytest.approx(0.55)
    assert rate(0.1, **options) == pytest.approx(1.0)
    assert rate(0.55, **options) == pytest.approx((1 + 0.02) / 2)
    assert rate(1.0, **options) == pytest.approx(0.02)
    assert rate(1.3, **options) == pytest.approx(0.02)


def test_cosine_without_warm_up_starts_at_the_peak() -> None:
    assert rate(0.0, scheduler="warmup_cosine", warmup=0.0) == pytest.approx(1.0)


def test_constant_and_exponential() -> None:
    assert rate(0.7, epoch=5, scheduler="constant") == 1.0
    assert rate(0.7, epoch=5, scheduler="exponential", decay=0.9) == pytest.approx(0.9**5)


def test_plateau_halves_after_three_epochs_without_improvement() -> None:
    plateau = Plateau()
    factors = []
    for loss in (1.0, 0.9, 0.95, 0.95, 0.95, 0.8, 0.9, 0.9, 0.9, 0.9):
        plateau.update(loss, floor=0.02)
        factors.append(rate(0.0, plateau=plateau, scheduler="plateau"))
    assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_plateau_keeps_to_the_floor() -> None:
    plateau = Plateau()
    for _ in range(50):
        plateau.update(1.0, floor=0.1)
    assert plateau.factor == 0.1
