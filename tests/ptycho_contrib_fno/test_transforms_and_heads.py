"""Input transforms and heads against their formulas."""

from __future__ import annotations

import math

import pytest
import torch

from ptycho_contrib_fno.heads import make_head
from ptycho_contrib_fno.transforms import transform_amplitude


def test_transforms_of_known_amplitudes() -> None:
    amplitude = torch.tensor([-1.0, 0.0, 4.0, math.e - 1]).view(1, 1, 2, 2)
    assert transform_amplitude(amplitude, "none") is amplitude
    torch.testing.assert_close(transform_amplitude(amplitude, "sqrt").flatten()[:3], torch.tensor([0.0, 0.0, 2.0]))
    torch.testing.assert_close(transform_amplitude(amplitude, "log1p").flatten()[[0, 1, 3]], torch.tensor([0.0, 0, 1]))


def test_instancenorm_takes_each_pattern_by_itself() -> None:
    amplitude = torch.rand(3, 2, 16, 16) * torch.tensor([1.0, 10, 100]).view(3, 1, 1, 1)
    normed = transform_amplitude(amplitude, "instancenorm")
    # Single precision over 256 pixels; eps 1e-6 against a variance of 1/12.
    torch.testing.assert_close(normed.mean((-2, -1)), torch.zeros(3, 2), rtol=0, atol=1e-5)
    torch.testing.assert_close(normed.var((-2, -1), correction=0), torch.ones(3, 2), rtol=0, atol=1e-4)


@pytest.mark.parametrize("patch", [1, 2])
@pytest.mark.parametrize("kind", ["real_imag", "amp_phase", "amp_phase_logits"])
def test_every_head_gives_complex_patches_of_full_size(kind: str, patch: int) -> None:
    patches = make_head(kind, 8, 3, patch)(torch.randn(2, 8, 16, 16))
    assert patches.shape == (2, 3, 16 * patch, 16 * patch)
    assert patches.dtype == torch.complex64


@pytest.mark.parametrize("kind", ["amp_phase", "amp_phase_logits"])
def test_amplitude_and_phase_are_sigmoid_and_scaled_tanh_of_the_projections(kind: str) -> None:
    head = make_head(kind, 4, 1)
    features = 3 * torch.randn(1, 4, 8, 8)
    amplitude, phase = torch.cat([projection(features) for projection in head.projections], 1)[0]
    patches = head(features)[0, 0]
    torch.testing.assert_close(patches.abs(), torch.sigmoid(amplitude))
    # exp(iφ) and back in single precision.
    torch.testing.assert_close(patches, torch.polar(patches.abs(), math.pi * torch.tanh(phase)), rtol=0, atol=1e-5)


def test_heads_have_the_parameters_of_their_projections() -> None:
    def count(kind: str) -> int:
        return sum(parameter.numel() for parameter in make_head(kind, 32, 1).parameters())

    assert count("real_imag") == count("amp_phase") == count("amp_phase_logits") == 66


def test_zero_features_or_a_zero_head_give_zero() -> None:
    assert not make_head("real_imag", 4, 2, 2)(torch.zeros(1, 4, 8, 8)).any()
    assert not make_head("real_imag", 4, 2, 2, zero=True)(torch.randn(1, 4, 8, 8)).any()
