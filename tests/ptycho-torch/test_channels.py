"""Generators that see groups of neighbouring patterns at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ptycho_host.contracts import GeneratorInputs, PatchShape
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError


class Mixing(nn.Module):
    """Adds to each back-projection what a convolution makes of all patterns of the group."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Conv2d(3 * channels, 2 * channels, 5, padding=2)
        nn.init.zeros_(self.body.weight)
        nn.init.zeros_(self.body.bias)

    def forward(self, inputs: GeneratorInputs) -> torch.Tensor:
        images = torch.cat([inputs.amplitude.log1p(), inputs.initial.real, inputs.initial.imag], dim=1)
        real, imaginary = self.body(images).chunk(2, dim=1)
        return inputs.initial + torch.complex(real, imaginary)


def test_a_generator_that_sees_four_patterns_trains_and_predicts_each(laboratory: Any, scan: Scan) -> None:
    run = laboratory.run()
    bundle = laboratory.train(run, make=lambda: Mixing(4), channels=4, epochs=8)
    assert bundle.shape == PatchShape(32, 4)
    assert run.reports[-1].validation_loss < run.reports[0].validation_loss
    batches = list(laboratory.engine.predict(bundle, scan))
    patches = np.concatenate([batch.patches for batch in batches])
    np.testing.assert_array_equal(np.concatenate([batch.positions for batch in batches]), scan.positions)
    assert patches.shape == (scan.count, 32, 32)
    # What another pattern of the group says reaches the patch.
    alone = laboratory.engine.predict(bundle, scan.subset(np.arange(4)))
    assert not np.allclose(next(iter(alone)).patches[0], patches[0], atol=1e-3)


def test_groups_that_cannot_be_made_are_refused(laboratory: Any, scan: Scan, simulated: Any) -> None:
    apart = simulated(scan.truth, step=30.0)
    with pytest.raises(InputError, match=r"gridsize needs groups of 4 overlapping patterns.*gridsize=1"):
        laboratory.train(make=lambda: Mixing(4), channels=4, scan=apart, epochs=1)
    bundle = laboratory.train(make=lambda: Mixing(4), channels=4, epochs=1)
    with pytest.raises(InputError, match="groups of 4 patterns and scan 'small' has 3"):
        list(laboratory.engine.predict(bundle, scan.subset(np.arange(3))))


def test_without_the_consistency_term_the_groups_are_only_channels(laboratory: Any) -> None:
    run = laboratory.run()
    laboratory.train(run, make=lambda: Mixing(4), channels=4, group_weight=0.0, epochs=1)
    assert run.reports[0].training_loss > 0
